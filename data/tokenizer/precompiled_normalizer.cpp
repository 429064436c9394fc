// The map of a SentencePiece model: a double-array trie (darts-clone: units of 32 bits) from characters to offsets of
// texts that end with a zero. As in the Hugging Face library, what is looked up is a grapheme cluster of less than six
// bytes and else each character of it, and the shortest entry that it begins with replaces the whole of it.
#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "data/tokenizer/base64.h"
#include "data/tokenizer/grapheme.h"
#include "data/tokenizer/normalizer.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

constexpr std::size_t kLongestCluster = 5;  // bytes

class CharacterMap {
 public:
  CharacterMap(std::vector<std::uint32_t> units, std::string texts)
      : units_(std::move(units)), texts_(std::move(texts)) {}

  /// What replaces a text; nothing where it stays.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view text) const {
    std::size_t node = offset(units_.front());
    for (const char character : text) {
      const auto byte = static_cast<unsigned char>(character);
      if (byte == 0) break;
      node ^= byte;
      if (node >= units_.size() || (units_[node] & 0x800000FFU) != byte) break;
      const std::uint32_t unit = units_[node];
      node ^= offset(unit);
      if ((unit & 0x100U) == 0) continue;  // nothing ends here
      return node < units_.size() ? text_at(units_[node] & 0x7FFFFFFFU) : std::nullopt;
    }
    return std::nullopt;
  }

 private:
  static std::size_t offset(std::uint32_t unit) { return (unit >> 10) << ((unit & 0x200U) >> 6); }

  [[nodiscard]] std::optional<std::string_view> text_at(std::size_t start) const {
    if (start >= texts_.size() || (static_cast<unsigned char>(texts_[start]) & 0xC0U) == 0x80) return std::nullopt;
    const std::string_view rest = std::string_view(texts_).substr(start);
    return rest.substr(0, rest.find('\0'));
  }

  std::vector<std::uint32_t> units_;
  std::string texts_;
};

class PrecompiledNormalizer : public Normalizer {
 public:
  explicit PrecompiledNormalizer(CharacterMap map) : map_(std::move(map)) {
    for (char c = ' '; c <= '~'; ++c) stays_[static_cast<std::size_t>(c)] = !map_.find(std::string_view(&c, 1));
  }

  bool normalize(std::string_view text, std::string& normalized) const override {
    normalized.clear();
    normalized.reserve(text.size());
    for (std::size_t i = 0; i < text.size();) {
      if (const std::size_t plain = end_of_plain(text, i); plain > i) {
        normalized.append(text, i, plain - i);
        i = plain;
        continue;
      }
      const std::size_t end = end_of_cluster(text, i);
      const std::string_view cluster = text.substr(i, end - i);
      i = end;
      if (cluster.size() <= kLongestCluster) {
        if (const std::optional<std::string_view> mapped = map_.find(cluster)) {
          normalized += *mapped;
          continue;
        }
      }
      for (std::size_t k = 0; k < cluster.size();) {
        const std::string_view character = cluster.substr(k, decode_utf8(cluster.data() + k).bytes);
        normalized += map_.find(character).value_or(character);
        k += character.size();
      }
    }
    return true;
  }

 private:
  /// From here on, the end of the characters that are clusters of their own and stay as they are: printable ASCII, but
  /// for what may belong to the character behind it.
  [[nodiscard]] std::size_t end_of_plain(std::string_view text, std::size_t start) const {
    std::size_t end = start;
    while (end < text.size() && static_cast<unsigned char>(text[end]) < stays_.size() &&
           stays_[static_cast<unsigned char>(text[end])])
      ++end;
    const bool is_followed = end < text.size() && (text[end] < ' ' || text[end] > '~');
    return is_followed && end > start ? end - 1 : end;
  }

  static std::size_t end_of_cluster(std::string_view text, std::size_t start) {
    const auto is_printable_ascii = [&](std::size_t i) { return text[i] >= ' ' && text[i] <= '~'; };
    if (is_printable_ascii(start) && (start + 1 == text.size() || is_printable_ascii(start + 1))) return start + 1;
    return end_of_grapheme(text, start);
  }

  CharacterMap map_;
  std::array<bool, 128> stays_{};  // printable ASCII that the map leaves as it is
};

CharacterMap read_map(const JsonNode& node) {
  const std::optional<std::string> bytes = decode_base64(node.text());
  if (!bytes) throw node.unexpected("a SentencePiece character map in base64");
  const auto unit_at = [&](std::size_t i) {
    std::uint32_t unit = 0;
    for (std::size_t k = 0; k < 4; ++k)
      unit |= static_cast<std::uint32_t>(static_cast<unsigned char>((*bytes)[i + k])) << (8 * k);
    return unit;
  };
  const std::size_t trie = bytes->size() >= 4 ? unit_at(0) : 0;
  if (trie < 4 || trie % 4 != 0 || trie > bytes->size() - 4)
    throw node.unexpected("a SentencePiece character map: the length of a trie, the trie, and texts");
  std::vector<std::uint32_t> units;
  units.reserve(trie / 4);
  for (std::size_t i = 4; i < 4 + trie; i += 4) units.push_back(unit_at(i));
  std::string texts = bytes->substr(4 + trie);
  if (first_invalid_utf8(texts) != std::string_view::npos)
    throw node.unexpected("a SentencePiece character map whose texts are valid UTF-8");
  return {std::move(units), std::move(texts)};
}

}  // namespace

std::unique_ptr<Normalizer> make_precompiled_normalizer(const JsonNode& node) {
  return std::make_unique<PrecompiledNormalizer>(read_map(node.member("precompiled_charsmap")));
}

}  // namespace temper

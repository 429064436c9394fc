// The steps follow one another per code point: clean, set ideographs apart, decompose and drop accents, lower-case.
// ASCII goes through one table.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "data/tokenizer/normalizer.h"
#include "data/tokenizer/unicode_properties.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

struct BertNormalizerSettings {
  bool clean_text;
  bool handle_chinese_chars;
  bool strip_accents;
  bool lowercase;
};

/// Text that grows at its end with as few checks as possible.
class GrowingText {
 public:
  /// Takes over the memory of `text`.
  GrowingText(std::string& text, std::size_t expected) : text_(text) {
    if (text_.size() < expected) text_.resize(expected);
  }
  ~GrowingText() { text_.resize(length_); }
  GrowingText(const GrowingText&) = delete;
  GrowingText& operator=(const GrowingText&) = delete;

  /// Room for `bytes` more; what is written there counts once it is passed to advance().
  char* room(std::size_t bytes) {
    if (text_.size() - length_ < bytes) text_.resize(2 * text_.size() + bytes);
    return text_.data() + length_;
  }
  void advance(std::size_t bytes) { length_ += bytes; }
  void append(char32_t c) { length_ += encode_utf8(c, room(4)); }

 private:
  std::string& text_;
  std::size_t length_ = 0;
};

class BertNormalizer : public Normalizer {
 public:
  explicit BertNormalizer(const BertNormalizerSettings& settings) : settings_(settings) {
    for (int c = 0; c < 0x80; ++c) {
      const auto code = static_cast<char32_t>(c);
      char32_t mapped = code;
      if (settings_.clean_text && is_white_space(code)) mapped = ' ';
      if (settings_.lowercase && c >= 'A' && c <= 'Z') mapped = code + ('a' - 'A');
      const bool dropped = settings_.clean_text && is_bert_control(code);
      ascii_[static_cast<std::size_t>(c)] = {static_cast<char>(mapped), static_cast<std::uint8_t>(dropped ? 0 : 1)};
    }
  }

  bool normalize(std::string_view text, std::string& normalized) const override {
    GrowingText out(normalized, text.size());
    std::vector<std::pair<std::uint8_t, char32_t>> reordered;
    std::size_t i = 0;
    while (i < text.size()) {
      const std::size_t end = end_of_ascii(text, i);
      if (end > i) {
        flush(reordered, out);
        append_ascii(text.substr(i, end - i), out);
        i = end;
        if (i == text.size()) break;
      }
      const CodePoint code = decode_utf8(text.data() + i);
      i += code.bytes;
      append_other(code.value, reordered, out);
    }
    flush(reordered, out);
    return text.empty() || !is_dropped(decode_utf8(text.data()).value);
  }

 private:
  struct AsciiEntry {
    char mapped;
    std::uint8_t kept;  // 1, or 0 where the character is dropped
  };

  [[nodiscard]] bool is_dropped(char32_t c) const {
    return (settings_.clean_text && (c == 0 || c == 0xFFFD || is_bert_control(c))) ||
           (settings_.strip_accents && is_bert_accent(c));
  }

  static std::size_t end_of_ascii(std::string_view text, std::size_t i) {
    while (i + 8 <= text.size()) {
      std::uint64_t word = 0;
      std::memcpy(&word, text.data() + i, 8);
      if ((word & 0x8080808080808080ULL) != 0) break;
      i += 8;
    }
    while (i < text.size() && static_cast<unsigned char>(text[i]) < 0x80) ++i;
    return i;
  }

  void append_ascii(std::string_view text, GrowingText& out) const {
    char* const start = out.room(text.size());
    char* end = start;
    for (const char c : text) {
      const AsciiEntry entry = ascii_[static_cast<unsigned char>(c)];
      *end = entry.mapped;
      end += entry.kept;
    }
    out.advance(static_cast<std::size_t>(end - start));
  }

  void append_other(char32_t c, std::vector<std::pair<std::uint8_t, char32_t>>& reordered, GrowingText& out) const {
    if (settings_.clean_text) {
      if (c == 0xFFFD || is_bert_control(c)) return;
      if (is_white_space(c)) c = ' ';
    }
    const bool ideograph = settings_.handle_chinese_chars && is_bert_ideograph(c);
    if (ideograph) {
      flush(reordered, out);
      out.append(' ');
    }
    if (settings_.strip_accents) {
      char32_t decomposed[4];
      const int count = canonical_decomposition(c, decomposed);
      for (int i = 0; i < count; ++i) append_unless_accent(decomposed[i], reordered, out);
    } else {
      append_lower(c, out);
    }
    if (ideograph) {
      flush(reordered, out);
      out.append(' ');
    }
  }

  /// Canonical order: what combines and is no accent waits until the next starter, sorted by its combining class.
  void append_unless_accent(char32_t c, std::vector<std::pair<std::uint8_t, char32_t>>& reordered,
                            GrowingText& out) const {
    const std::uint8_t combining = combining_class(c);
    if (combining == 0) flush(reordered, out);
    if (is_bert_accent(c)) return;
    if (combining == 0) {
      append_lower(c, out);
    } else {
      reordered.emplace_back(combining, c);
    }
  }

  void flush(std::vector<std::pair<std::uint8_t, char32_t>>& reordered, GrowingText& out) const {
    if (reordered.empty()) return;
    std::stable_sort(reordered.begin(), reordered.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [combining, c] : reordered) append_lower(c, out);
    reordered.clear();
  }

  void append_lower(char32_t c, GrowingText& out) const {
    if (!settings_.lowercase) {
      out.append(c);
      return;
    }
    char32_t lower[2];
    const int count = lower_case(c, lower);
    for (int i = 0; i < count; ++i) out.append(lower[i]);
  }

  BertNormalizerSettings settings_;
  std::array<AsciiEntry, 128> ascii_{};
};

}  // namespace

std::unique_ptr<Normalizer> make_bert_normalizer(const JsonNode& node) {
  BertNormalizerSettings settings{};
  settings.clean_text = node.boolean_or("clean_text", true);
  settings.handle_chinese_chars = node.boolean_or("handle_chinese_chars", true);
  settings.lowercase = node.boolean_or("lowercase", true);
  settings.strip_accents = node.boolean_or("strip_accents", settings.lowercase);
  return std::make_unique<BertNormalizer>(settings);
}

}  // namespace temper

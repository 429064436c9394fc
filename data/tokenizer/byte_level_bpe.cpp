// Merges are applied best rank first, and from left to right among equals. The model sees raw bytes; the characters
// that stand for them in the file are translated once, at load.
#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>

#include "base/error.h"
#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/token_model.h"

namespace temper {
namespace {

constexpr std::uint32_t kNoRank = UINT32_MAX;

/// What two neighbours become, and how early.
struct MergeRule {
  std::uint32_t rank = kNoRank;
  std::int32_t merged = 0;
};

/// Pair of ids to rule: open addressing, one array.
class MergeTable {
 public:
  explicit MergeTable(std::size_t merges) {
    std::size_t slots = 16;
    while (slots < 2 * merges) slots *= 2;
    slots_.resize(slots);
  }

  void insert(std::int32_t first, std::int32_t second, MergeRule rule) {
    const std::uint64_t pair = pair_of(first, second);
    slots_[position(pair)] = {pair, rule};
  }

  [[nodiscard]] MergeRule find(std::int32_t first, std::int32_t second) const {
    return slots_[position(pair_of(first, second))].rule;
  }

 private:
  static constexpr std::uint64_t kEmpty = UINT64_MAX;
  struct Slot {
    std::uint64_t pair = kEmpty;
    MergeRule rule;
  };

  static std::uint64_t pair_of(std::int32_t first, std::int32_t second) {
    return (static_cast<std::uint64_t>(first) << 32) | static_cast<std::uint32_t>(second);
  }

  [[nodiscard]] std::size_t position(std::uint64_t pair) const {
    const std::size_t mask = slots_.size() - 1;
    std::uint64_t mixed = pair * 0x9E3779B97F4A7C15ULL;
    mixed ^= mixed >> 32;
    for (std::size_t i = mixed & mask;; i = (i + 1) & mask)
      if (slots_[i].pair == pair || slots_[i].pair == kEmpty) return i;
  }

  std::vector<Slot> slots_;
};

/// A word of few tokens: look at all neighbours, merge the best, close the gap.
std::size_t merge_short(const MergeTable& table, std::span<std::int32_t> ids, std::span<MergeRule> rules) {
  std::size_t count = ids.size();
  for (std::size_t i = 0; i + 1 < count; ++i) rules[i] = table.find(ids[i], ids[i + 1]);
  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i)
      if (rules[i].rank < rules[best].rank) best = i;
    if (rules[best].rank == kNoRank) break;
    ids[best] = rules[best].merged;
    std::copy(ids.begin() + static_cast<std::ptrdiff_t>(best) + 2, ids.begin() + static_cast<std::ptrdiff_t>(count),
              ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    std::copy(rules.begin() + static_cast<std::ptrdiff_t>(best) + 1,
              rules.begin() + static_cast<std::ptrdiff_t>(count) - 1,
              rules.begin() + static_cast<std::ptrdiff_t>(best));
    --count;
    if (best > 0) rules[best - 1] = table.find(ids[best - 1], ids[best]);
    if (best + 1 < count) rules[best] = table.find(ids[best], ids[best + 1]);
  }
  return count;
}

/// A word of many tokens: a heap of candidate merges over a linked list, O(n log n).
std::size_t merge_long(const MergeTable& table, std::span<std::int32_t> ids) {
  struct Candidate {
    std::uint32_t rank;
    std::uint32_t position;  // of the first of the two
    std::int32_t first;
    std::int32_t second;
    std::int32_t merged;
  };
  const auto later = [](const Candidate& a, const Candidate& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
  };
  constexpr std::int32_t kGone = -1;
  const auto count = static_cast<std::uint32_t>(ids.size());
  std::vector<std::uint32_t> previous(count);
  std::vector<std::uint32_t> next(count);
  std::vector<Candidate> heap;
  const auto propose = [&](std::uint32_t position) {
    const std::uint32_t second = next[position];
    if (second == count) return;
    const MergeRule rule = table.find(ids[position], ids[second]);
    if (rule.rank == kNoRank) return;
    heap.push_back({rule.rank, position, ids[position], ids[second], rule.merged});
    std::push_heap(heap.begin(), heap.end(), later);
  };
  for (std::uint32_t i = 0; i < count; ++i) {
    previous[i] = i - 1;  // that of the first is never followed
    next[i] = i + 1;
  }
  for (std::uint32_t i = 0; i < count; ++i) propose(i);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    const Candidate best = heap.back();
    heap.pop_back();
    const std::uint32_t second = next[best.position];
    // One of the two may have been merged with another neighbour since it was proposed.
    if (second == count || ids[best.position] != best.first || ids[second] != best.second) continue;
    ids[best.position] = best.merged;
    ids[second] = kGone;
    next[best.position] = next[second];
    if (next[second] != count) previous[next[second]] = best.position;
    if (best.position != 0) propose(previous[best.position]);
    propose(best.position);
  }
  return static_cast<std::size_t>(std::remove(ids.begin(), ids.end(), kGone) - ids.begin());
}

class ByteLevelBpe : public TokenModel {
 public:
  ByteLevelBpe(const TokenizerFile& file, const JsonNode& node, const Vocabulary& vocabulary)
      : merges_(file.merges.size()) {
    const ByteAlphabet alphabet;
    read_bytes(file, node, vocabulary, alphabet);
    read_merges(file, vocabulary);
    if (node.boolean_or("ignore_merges", false)) keep_whole_words(vocabulary, alphabet);
  }

  void append_ids(std::string_view word, std::vector<std::int32_t>& ids) const override {
    const std::int32_t whole = words_.find(word);
    if (whole != FlatStringMap::kAbsent) {
      ids.push_back(whole);
      return;
    }
    const std::size_t start = ids.size();
    bool after_unknown = false;
    for (const char byte : word) {
      const std::int32_t id = bytes_[static_cast<unsigned char>(byte)];
      const bool unknown = id == kUnknown;
      if (!unknown) {
        ids.push_back(id);
      } else if (unknown_ != kUnknown && !(fuse_unknown_ && after_unknown)) {
        ids.push_back(unknown_);
      }
      after_unknown = unknown;
    }
    const std::span<std::int32_t> symbols = std::span(ids).subspan(start);
    std::array<MergeRule, 48> rules;
    const std::size_t count =
        symbols.size() <= rules.size() ? merge_short(merges_, symbols, rules) : merge_long(merges_, symbols);
    ids.resize(start + count);
  }

 private:
  static constexpr std::int32_t kUnknown = -1;  // a byte without a token

  void read_bytes(const TokenizerFile& file, const JsonNode& node, const Vocabulary& vocabulary,
                  const ByteAlphabet& alphabet) {
    if (const std::optional<JsonNode> name = node.optional_member("unk_token")) {
      const std::optional<std::int32_t> id = vocabulary.find(name->text());
      if (!id)
        throw Error("{}: model.unk_token: found \"{}\", which is not in model.vocab; add it or set it to null",
                    file.name, name->text());
      unknown_ = *id;
    }
    fuse_unknown_ = node.boolean_or("fuse_unk", false);
    for (std::size_t byte = 0; byte < bytes_.size(); ++byte)
      bytes_[byte] = vocabulary.find(alphabet.character(static_cast<std::uint8_t>(byte))).value_or(kUnknown);
  }

  void read_merges(const TokenizerFile& file, const Vocabulary& vocabulary) {
    std::string merged;
    for (std::size_t rank = 0; rank < file.merges.size(); ++rank) {
      const Merge& merge = file.merges[rank];
      const auto id = [&](std::string_view token) {
        const std::optional<std::int32_t> found = vocabulary.find(token);
        if (!found)
          throw Error(
              "{}: model.merges[{}]: token \"{}\" is not in model.vocab; vocabulary and merges are not of one "
              "tokenizer",
              file.name, rank, token);
        return *found;
      };
      const std::int32_t first = id(file.first_of(merge));
      const std::int32_t second = id(file.second_of(merge));
      merged.assign(file.first_of(merge)).append(file.second_of(merge));
      merges_.insert(first, second, {static_cast<std::uint32_t>(rank), id(merged)});
    }
  }

  void keep_whole_words(const Vocabulary& vocabulary, const ByteAlphabet& alphabet) {
    std::vector<std::pair<std::size_t, std::int32_t>> ends;
    words_text_.reserve(vocabulary.text().size());
    for (std::int32_t id = 0; id < vocabulary.size(); ++id) {
      const std::optional<std::string_view> token = vocabulary.token(id);
      const std::optional<std::string> word = token ? alphabet.bytes(*token) : std::nullopt;
      if (!word) continue;
      words_text_ += *word;
      ends.emplace_back(words_text_.size(), id);
    }
    words_ = FlatStringMap(words_text_, ends.size());
    std::size_t start = 0;
    for (const auto& [end, id] : ends) {
      words_.insert(std::string_view(words_text_).substr(start, end - start), id);
      start = end;
    }
  }

  std::array<std::int32_t, 256> bytes_{};
  std::int32_t unknown_ = kUnknown;  // the token of such bytes; kUnknown where they are skipped
  bool fuse_unknown_ = false;
  MergeTable merges_;
  std::string words_text_;
  FlatStringMap words_;  // whole words that need no merging; empty unless ignore_merges
};

void refuse_if_set(const JsonNode& node, std::string_view option) {
  const std::optional<JsonNode> value = node.optional_member(option);
  if (value && !value->text().empty())
    throw value->unexpected("null: this option of BPE is not supported together with a ByteLevel pre-tokenizer");
}

}  // namespace

std::unique_ptr<TokenModel> make_byte_level_bpe(const TokenizerFile& file, const JsonNode& node,
                                                const Vocabulary& vocabulary, bool byte_level) {
  if (!byte_level)
    throw Error("{}: a BPE model without a ByteLevel pre-tokenizer is not supported; supported: ByteLevel", file.name);
  refuse_if_set(node, "continuing_subword_prefix");
  refuse_if_set(node, "end_of_word_suffix");
  if (node.boolean_or("byte_fallback", false))
    throw node.member("byte_fallback").unexpected("false: byte fallback is not supported");
  return std::make_unique<ByteLevelBpe>(file, node, vocabulary);
}

}  // namespace temper

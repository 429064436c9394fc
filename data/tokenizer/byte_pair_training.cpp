#include "data/tokenizer/byte_pair_training.h"

#include <algorithm>
#include <array>
#include <queue>
#include <unordered_map>

#include "base/counted.h"
#include "base/error.h"
#include "data/tokenizer/byte_alphabet.h"

namespace temper {
namespace {

using TokenPair = std::uint64_t;  // sorted as the two ids are

TokenPair pair_of(std::uint32_t first, std::uint32_t second) {
  return (static_cast<std::uint64_t>(first) << 32) | second;
}

struct PairHash {
  std::size_t operator()(TokenPair pair) const {
    pair *= 0x9E3779B97F4A7C15ULL;
    return pair ^ (pair >> 29);
  }
};

/// The words, by index, in which a pair may stand; ascending.
using Places = std::vector<std::uint32_t>;

struct QueuedMerge {
  TokenPair pair;
  std::int64_t count;  // when it was put here
  Places words;

  friend bool operator<(const QueuedMerge& a, const QueuedMerge& b) {
    return a.count != b.count ? a.count < b.count : a.pair > b.pair;
  }
};

class PairLearner {
 public:
  PairLearner(std::span<const CountedWord> words, const BytePairSettings& settings) : settings_(settings) {
    for (const std::string& token : settings.special_tokens) id_of(token);
    add_alphabet(words);
    take_words(words);
  }

  BytePairs learn() {
    while (!queue_.empty() && static_cast<std::int64_t>(result_.tokens.size()) < settings_.vocabulary) {
      QueuedMerge top = std::move(const_cast<QueuedMerge&>(queue_.top()));
      queue_.pop();
      const std::int64_t count = pair_counts_[top.pair];
      if (top.count != count) {
        top.count = count;
        queue_.push(std::move(top));
        continue;
      }
      if (count < 1 || count < settings_.min_frequency) break;
      merge(top);
    }
    leave_last_of_equal_merges();
    return std::move(result_);
  }

 private:
  std::uint32_t id_of(const std::string& token) {
    const auto [found, is_new] = ids_.emplace(token, static_cast<std::uint32_t>(result_.tokens.size()));
    if (is_new) result_.tokens.push_back(token);
    return found->second;
  }

  void add_alphabet(std::span<const CountedWord> words) {
    std::array<bool, 256> used{};
    if (settings_.all_bytes) used.fill(true);
    for (const CountedWord& word : words)
      for (const char byte : word.word) used[static_cast<unsigned char>(byte)] = true;
    const ByteAlphabet alphabet;
    std::vector<std::pair<std::string, std::size_t>> characters;  // UTF-8 is sorted as code points are
    for (std::size_t byte = 0; byte < used.size(); ++byte)
      if (used[byte]) characters.emplace_back(alphabet.character(static_cast<std::uint8_t>(byte)), byte);
    std::sort(characters.begin(), characters.end());
    for (const auto& [character, byte] : characters) byte_ids_[byte] = id_of(character);
    if (static_cast<std::int64_t>(result_.tokens.size()) > settings_.vocabulary)
      throw Error("a vocabulary of {} is too small: {} and {} of the alphabet make {}; ask for more tokens than these",
                  settings_.vocabulary, counted(settings_.special_tokens.size(), "special token"),
                  counted(characters.size(), "byte"), result_.tokens.size());
  }

  void take_words(std::span<const CountedWord> words) {
    std::size_t symbols = 0;
    for (const CountedWord& word : words) symbols += word.word.size();
    symbols_.reserve(symbols);
    for (std::uint32_t index = 0; index < words.size(); ++index) {
      const CountedWord& word = words[index];
      words_.push_back({symbols_.size(), word.word.size(), word.count});
      for (const char byte : word.word) symbols_.push_back(byte_ids_[static_cast<unsigned char>(byte)]);
      const std::span<const std::uint32_t> ids(symbols_.data() + words_.back().begin, words_.back().size);
      for (std::size_t i = 0; i + 1 < ids.size(); ++i) change(pair_of(ids[i], ids[i + 1]), word.count, index);
    }
    queue_new_pairs();
  }

  /// There are so many more, or fewer, of a pair, in a word.
  void change(TokenPair pair, std::int64_t by, std::uint32_t word) {
    pair_counts_[pair] += by;
    if (by <= 0) return;
    Places& places = new_places_[pair];
    if (places.empty() || places.back() != word) places.push_back(word);
  }

  void queue_new_pairs() {
    for (auto& [pair, places] : new_places_)
      if (const std::int64_t count = pair_counts_[pair]; count > 0) queue_.push({pair, count, std::move(places)});
    new_places_.clear();
  }

  void merge(const QueuedMerge& best) {
    const auto first = static_cast<std::uint32_t>(best.pair >> 32);
    const auto second = static_cast<std::uint32_t>(best.pair);
    const std::uint32_t merged = id_of(result_.tokens[first] + result_.tokens[second]);
    result_.merges.emplace_back(first, second);
    for (const std::uint32_t word : best.words) merge_in(word, first, second, merged);
    queue_new_pairs();
  }

  /// From the left to the right; what was merged is the left neighbour of what follows.
  void merge_in(std::uint32_t index, std::uint32_t first, std::uint32_t second, std::uint32_t merged) {
    Word& word = words_[index];
    std::uint32_t* ids = symbols_.data() + word.begin;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < word.size; ++i) {
      if (ids[i] != first || i + 1 == word.size || ids[i + 1] != second) {
        ids[kept++] = ids[i];
        continue;
      }
      if (kept > 0) {
        change(pair_of(ids[kept - 1], first), -word.count, index);
        change(pair_of(ids[kept - 1], merged), word.count, index);
      }
      ids[kept++] = merged;
      ++i;
      if (i + 1 < word.size) {
        change(pair_of(second, ids[i + 1]), -word.count, index);
        change(pair_of(merged, ids[i + 1]), word.count, index);
      }
    }
    word.size = kept;
  }

  /// A merge that was made again, in other words, has the rank of the last time.
  void leave_last_of_equal_merges() {
    std::unordered_map<TokenPair, std::size_t, PairHash> last;
    for (std::size_t i = 0; i < result_.merges.size(); ++i)
      last[pair_of(result_.merges[i].first, result_.merges[i].second)] = i;
    if (last.size() == result_.merges.size()) return;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < result_.merges.size(); ++i)
      if (last.at(pair_of(result_.merges[i].first, result_.merges[i].second)) == i)
        result_.merges[kept++] = result_.merges[i];
    result_.merges.resize(kept);
  }

  struct Word {
    std::size_t begin;  // in symbols_
    std::size_t size;
    std::int64_t count;
  };

  const BytePairSettings& settings_;
  BytePairs result_;
  std::unordered_map<std::string, std::uint32_t> ids_;
  std::array<std::uint32_t, 256> byte_ids_{};
  std::vector<std::uint32_t> symbols_;
  std::vector<Word> words_;
  /// That of a pair that was merged stays as it was, but for changes around it.
  std::unordered_map<TokenPair, std::int64_t, PairHash> pair_counts_;
  std::unordered_map<TokenPair, Places, PairHash> new_places_;  // since queue_new_pairs()
  std::priority_queue<QueuedMerge> queue_;
};

}  // namespace

BytePairs learn_byte_pairs(std::span<const CountedWord> words, const BytePairSettings& settings) {
  return PairLearner(words, settings).learn();
}

}  // namespace temper

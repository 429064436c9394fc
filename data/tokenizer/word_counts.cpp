#include "data/tokenizer/word_counts.h"

#include <algorithm>
#include <limits>
#include <span>

#include "base/digest.h"
#include "base/error.h"

namespace temper {

WordCounts::WordCounts() : slots_(std::size_t{1} << 12) {}

void WordCounts::add(std::string_view word, std::int64_t count) {
  add(xxh3(std::as_bytes(std::span(word))), word, count);
}

void WordCounts::add(std::uint64_t hash, std::string_view word, std::int64_t count) {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = hash & mask;; i = (i + 1) & mask) {
    if (slots_[i] == 0) {
      if (entries_.size() >= std::numeric_limits<std::uint32_t>::max() - 1)
        throw Error("the texts hold more than {} distinct words; train the tokenizer on a part of them",
                    entries_.size());
      entries_.push_back({hash, text_.size(), word.size(), count});
      text_ += word;
      slots_[i] = static_cast<std::uint32_t>(entries_.size());
      if (2 * entries_.size() > slots_.size()) grow();
      return;
    }
    Entry& entry = entries_[slots_[i] - 1];
    if (entry.hash == hash && word_of(entry) == word) {
      entry.count += count;
      return;
    }
  }
}

void WordCounts::add_all(const WordCounts& others) {
  for (const Entry& entry : others.entries_) add(entry.hash, others.word_of(entry), entry.count);
}

void WordCounts::grow() {
  slots_.assign(2 * slots_.size(), 0);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t entry = 0; entry < entries_.size(); ++entry) {
    std::size_t i = entries_[entry].hash & mask;
    while (slots_[i] != 0) i = (i + 1) & mask;
    slots_[i] = static_cast<std::uint32_t>(entry + 1);
  }
}

std::vector<CountedWord> WordCounts::sorted() const {
  std::vector<CountedWord> words;
  words.reserve(entries_.size());
  for (const Entry& entry : entries_) words.push_back({word_of(entry), entry.count});
  std::sort(words.begin(), words.end(), [](const CountedWord& a, const CountedWord& b) { return a.word < b.word; });
  return words;
}

}  // namespace temper

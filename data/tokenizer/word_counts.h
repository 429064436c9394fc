// Distinct words and how often each was seen: all that learning a vocabulary needs of a text, however long that is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace temper {

struct CountedWord {
  std::string_view word;
  std::int64_t count;
};

class WordCounts {
 public:
  WordCounts();

  void add(std::string_view word, std::int64_t count = 1);
  void add_all(const WordCounts& others);
  /// Number of distinct words.
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  /// Bytewise sorted, so that they do not tell in which order, or by how many threads, they were counted. The words
  /// are valid until something is added.
  [[nodiscard]] std::vector<CountedWord> sorted() const;

 private:
  struct Entry {
    std::uint64_t hash;
    std::size_t offset;
    std::size_t length;
    std::int64_t count;
  };

  [[nodiscard]] std::string_view word_of(const Entry& entry) const {
    return std::string_view(text_).substr(entry.offset, entry.length);
  }
  void add(std::uint64_t hash, std::string_view word, std::int64_t count);
  void grow();

  std::string text_;  ///< the words, one after the other
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> slots_;  ///< 1 + an entry's index, 0 where there is none; open addressing
};

}  // namespace temper

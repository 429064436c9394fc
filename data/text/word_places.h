// The positions of a row's words in its text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace temper {

/// A word of a row and its place, [begin, end).
struct PlacedWord {
  std::string text;
  std::int64_t begin = 0;
  std::int64_t end = 0;

  friend bool operator==(const PlacedWord&, const PlacedWord&) = default;
};

/// The words of split_words (data/tables/labels.h) with their places.
struct PlacedWords {
  std::vector<PlacedWord> words;
  bool in_text = true;  ///< words between blanks: places count characters (Unicode code points) of the text, from 0.
                        ///< Else the row is a list: places count words, so word i is at [i, i + 1)

  /// What stands at [begin, end) of `row`, the text that the words are from: of a list, its words with blanks between.
  [[nodiscard]] std::string between(std::string_view row, std::int64_t begin, std::int64_t end) const;
};

PlacedWords place_words(std::string_view row);

}  // namespace temper

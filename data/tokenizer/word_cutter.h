// What happens to the delimiters at which a text is split: they are dropped, become words, or are merged with their
// neighbours.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "data/tokenizer/json_node.h"

namespace temper {

enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

/// Of "Removed", "Isolated" ... Throws Error for another name.
SplitBehavior read_split_behavior(const JsonNode& node);

/// Appends the words of a text to `words`, none of them empty, as its parts are told from left to right without a gap.
class WordCutter {
 public:
  WordCutter(SplitBehavior behavior, std::string_view text, std::vector<std::string_view>& words)
      : behavior_(behavior), text_(text), words_(words) {}

  /// The next part reaches from the end of the one before up to `end`. `is_delimiter`: whether it is a place to split
  /// at.
  void add(std::size_t end, bool is_delimiter);
  /// Nothing follows.
  void finish() { flush(); }

 private:
  void flush();

  SplitBehavior behavior_;
  std::string_view text_;
  std::vector<std::string_view>& words_;
  std::size_t start_ = 0;  // of the word that is being put together
  std::size_t end_ = 0;    // of it, and of the last part
  bool after_delimiter_ = false;
};

}  // namespace temper

// Lists in one field of a table, as JSON writes them, as Python prints them, and as NumPy prints its arrays.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/tables/blanks.h"

namespace temper {

struct PrintedList {
  /// Text of strings without quotes and escapes; numbers, True and False as they stand; nothing for null, None and nan.
  std::vector<std::optional<std::string>> elements;
  bool all_quoted = false;      ///< every element is a string in quotes, and there is one
  bool has_commas = false;      ///< or at most one element; NumPy puts blanks alone between elements
  bool square_brackets = true;  ///< rather than those of a tuple or a set
};

/// Reads ["a", 1, null], ['a', "b"], ('a',), {'a', 'b'}, ['a' 'b'], [0. 1.], array(['a'], dtype=object) and
/// [np.str_('a')]. Nothing for any other text: one that has no brackets, words without quotes, lists within lists.
std::optional<PrintedList> parse_printed_list(std::string_view text);

}  // namespace temper

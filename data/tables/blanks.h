// ASCII white space, which separates the words of a text and surrounds the content of a field.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace temper {

/// What str.isspace() of Python holds for blank within ASCII.
inline constexpr std::string_view kBlanks = " \t\r\n\v\f";

/// Without the blanks at both ends.
std::string_view trimmed(std::string_view text);

/// What stands between blanks, none of it empty: views into the text.
std::vector<std::string_view> between_blanks(std::string_view text);

}  // namespace temper

// What readers of JSON need to know of it before a parser takes the values.
#pragma once

#include <cstddef>
#include <string_view>

namespace temper {

inline constexpr std::string_view kJsonBlanks = " \t\r\n";

/// Bytes of the JSON value at the beginning of a text that starts with a bracket, up to the bracket that closes it; all
/// of the text where none does.
std::size_t bracketed_length(std::string_view text);

}  // namespace temper

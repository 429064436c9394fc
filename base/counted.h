// Numbers of things in sentences: "1 row", "3 rows".
#pragma once

#include <concepts>
#include <string>
#include <string_view>

namespace temper {

/// The word for so many: `one` or `many`, which is `one` with an s where it is left out.
template <std::integral Number>
std::string plural(Number count, std::string_view one, std::string_view many = {}) {
  if (count == Number{1}) return std::string(one);
  return many.empty() ? std::string(one) + "s" : std::string(many);
}

/// "1 row", "0 rows", "3 classes" of ("class", "classes").
template <std::integral Number>
std::string counted(Number count, std::string_view one, std::string_view many = {}) {
  return std::to_string(count) + " " + plural(count, one, many);
}

}  // namespace temper

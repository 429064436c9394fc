// Names in a message: quoted, and not more of them than a reader wants.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace temper {

/// A name in quotes, of a long one only the beginning.
std::string quoted_name(std::string_view name);

/// "a", "b" and 3 more
std::string name_list(std::span<const std::string> names);

}  // namespace temper

// Names in a message: quoted, and not more of them than a reader wants.
#pragma once

#include <span>
#include <string>

namespace temper {

/// "a", "b" and 3 more
std::string name_list(std::span<const std::string> names);

}  // namespace temper

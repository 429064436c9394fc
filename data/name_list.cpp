#include "data/name_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

namespace temper {

std::string name_list(std::span<const std::string> names) {
  constexpr std::size_t kShown = 20;
  if (names.empty()) return "none";
  std::string list;
  for (const std::string& name : names.first(std::min(kShown, names.size())))
    list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", name);
  if (names.size() > kShown) list += fmt::format(" and {} more", names.size() - kShown);
  return list;
}

}  // namespace temper

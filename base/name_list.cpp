#include "base/name_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

namespace temper {

std::string quoted_name(std::string_view name) {
  constexpr std::size_t kLongest = 80;
  if (name.size() <= kLongest) return fmt::format("\"{}\"", name);
  std::size_t end = kLongest;
  // Not in the middle of a character.
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) --end;
  return fmt::format("\"{}...\"", name.substr(0, end));
}

std::string name_list(std::span<const std::string> names) {
  constexpr std::size_t kShown = 20;
  if (names.empty()) return "none";
  std::string list;
  for (const std::string& name : names.first(std::min(kShown, names.size())))
    list += (list.empty() ? "" : ", ") + quoted_name(name);
  if (names.size() > kShown) list += fmt::format(" and {} more", names.size() - kShown);
  return list;
}

}  // namespace temper

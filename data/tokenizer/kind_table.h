// The parts of a tokenizer come in kinds, named by "type" in tokenizer.json. Each part has one table of its kinds;
// a further kind is one file and one line of a table.
#pragma once

#include <fmt/ranges.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/json_node.h"

namespace temper {

/// A kind, and the function that makes it.
template <typename Make>
struct Kind {
  std::string_view name;
  Make make;
};

/// The entry of a table that has a name. Throws Error naming the place, the name and all supported ones; `part` is
/// what the table holds, as in "pre-tokenizer".
template <typename Make, std::size_t kinds>
Make find_kind(const Kind<Make> (&table)[kinds], std::string_view part, const JsonNode& node, const std::string& name) {
  std::vector<std::string_view> supported;
  for (const Kind<Make>& kind : table) {
    if (kind.name == name) return kind.make;
    supported.push_back(kind.name);
  }
  throw Error("{}: {}: found a {} of type \"{}\", which is not supported; supported: {}", node.file(), node.place(),
              part, name, fmt::join(supported, ", "));
}

}  // namespace temper

// "Did you mean": the known name that is nearest to a mistyped one.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace temper {

/// Number of insertions, deletions, substitutions and swaps of neighbours between two words
/// (optimal string alignment distance).
int edit_distance(std::string_view a, std::string_view b);

/// The known name with the least edit distance, the first of equals; empty if none is given or none is near
/// (a distance of more than half the longer word).
std::string nearest_name(std::string_view word, std::span<const std::string> known);

}  // namespace temper

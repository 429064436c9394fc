// Extended grapheme clusters (UAX #29): what people perceive as one character.
#pragma once

#include <cstddef>
#include <string_view>

namespace temper {

/// Where the cluster that begins at byte `start` of a valid UTF-8 text ends. Conjuncts of Indic scripts (rule GB9c) are
/// not joined.
std::size_t end_of_grapheme(std::string_view text, std::size_t start);

}  // namespace temper

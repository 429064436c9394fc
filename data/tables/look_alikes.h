// Names that a person would consider the same.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace temper {

/// What names that look alike have in common: without blanks at the ends and more than one between words, case,
/// differences of Unicode's compatibility forms (NFKC_Casefold, Unicode 15, section 3.13) and of how a number is
/// written.
std::string appearance_of(std::string_view name);

/// The groups of two or more names that look alike, in the order of their first names.
std::vector<std::vector<std::string>> names_that_look_alike(std::span<const std::string> names);

}  // namespace temper

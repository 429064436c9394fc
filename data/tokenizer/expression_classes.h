// Classes of characters as expressions name them, written for ICU's sets. What is returned stands inside brackets.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace temper {

/// Of a bracket such as alpha in [[:alpha:]]; nothing if there is none of this name.
std::optional<std::string> posix_class(std::string_view name);

/// Of a property such as Lu in \p{Lu}: a general category, a script, a binary property or the name of a bracket.
std::optional<std::string> property_class(std::string_view name);

/// Of \w outside of brackets, which has six characters more than [[:word:]].
std::string word_class();

}  // namespace temper

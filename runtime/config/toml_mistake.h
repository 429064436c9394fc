// Explains TOML syntax errors in terms of what the user wrote rather than in those of the parser.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace temper {

/// A sentence without its place. `line` and `column` (from 1, in characters) are where the parser stopped, and
/// `description` what it says of it.
std::string toml_mistake(std::string_view text, std::uint32_t line, std::uint32_t column, std::string_view description);

}  // namespace temper

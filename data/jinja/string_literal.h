// What stands between the quotes of a template's string.
#pragma once

#include <string>
#include <string_view>

namespace temper::jinja {

/// Escapes as Python's unicode-escape has them; unknown ones stay as they are. Throws a TemplateError for a broken one.
std::string string_literal(std::string_view written, int line);

}  // namespace temper::jinja

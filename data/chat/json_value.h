// JSON to values of a template, with the digits and the order that Python would see.
#pragma once

#include <string_view>

#include "data/jinja/value.h"

namespace temper {

/// Every text in it, keys included, is from data. Integers keep all digits, up to 36. Throws Error for what is no JSON,
/// with the byte, and for values that nest more than 200 levels deep.
jinja::Value parse_json_value(std::string_view json);

}  // namespace temper

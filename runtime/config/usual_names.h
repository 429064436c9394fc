// Names that other programs use for configuration keys and values, which "did you mean" cannot find by spelling.
#pragma once

#include <string>
#include <string_view>

namespace temper {

/// Temper's own name for what elsewhere is called `name`: "learning_rate" for "lr". Empty where none is known. It need
/// not be one of those that are allowed where `name` stands.
std::string usual_name(std::string_view name);

}  // namespace temper

// The option of commands that use a model with adapters.
#pragma once

#include <string>
#include <vector>

#include "launch/command_line.h"

namespace temper {

/// --adapter, any number of times.
void add_adapter_option(const CommandLine& command, std::vector<std::string>& adapters);

}  // namespace temper

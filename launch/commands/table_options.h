// The options of eval and predict that say how a table is read.
#pragma once

#include "launch/commands/command.h"
#include "runtime/inputs/table_use.h"

namespace temper {

/// --text, --text-pair, --max-length, --stride, --documents, --views, --threshold.
void add_table_options(const CommandLine& command, TableRequests& requests);

/// One line on standard error, from one rank.
void print_note(const CommandContext& context, const std::string& line);

}  // namespace temper

// The options of eval and predict that say how a table is read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launch/commands/command.h"
#include "runtime/inputs/table_use.h"

namespace temper {

/// --frame, --slice, --window, --most-megapixels.
void add_picture_options(const CommandLine& command, PictureRequests& requests);
/// --skip-unreadable.
void add_skip_option(const CommandLine& command, PictureRequests& requests);

/// Of rows that were left out: the first ones by name, and how many they are.
void print_skipped(const CommandContext& context, const std::vector<std::string>& reasons, std::int64_t skipped,
                   std::int64_t rows);

/// --text, --text-pair, --max-length, --stride, --documents, --views, --threshold, and those of pictures.
void add_table_options(const CommandLine& command, TableRequests& requests);

/// One line on standard error, from one rank.
void print_note(const CommandContext& context, const std::string& line);

}  // namespace temper

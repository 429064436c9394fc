// Conversations: each JSON object of a file, as it stands, is a row of one column. What is in it data/chat reads.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "data/tables/row_reader.h"

namespace temper {

/// What the one column is called.
inline constexpr const char* kConversationColumn = "conversation";

/// One object a line, or, in a text that begins with [, one array of them. Empty lines are skipped. Throws Error, or
/// the reader does, with the line, for what is neither, and for a text that is empty.
std::unique_ptr<RowReader> conversation_rows(std::string_view text, const std::filesystem::path& name);

}  // namespace temper

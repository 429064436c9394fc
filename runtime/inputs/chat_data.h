// Conversations as the data of a run: whether the files hold some, how they are read, and what is told of all of them
// before the first step.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "data/chat/chat_encoder.h"
#include "data/diagnostics.h"
#include "runtime/config/config.h"
#include "runtime/tasks/task.h"

namespace temper {

/// Whether data.format says so.
inline bool reads_conversations(const DataSection& data) { return data.format == "conversations"; }

/// Where data.format is "auto": "conversations", if rows are pairs of answers, or if the first row of the first file of
/// data.train is a conversation; else it stays, and rows are texts, as before there were conversations. Reads no more
/// than that row. A file that cannot be read, or is of another format, holds texts: who reads it tells what is wrong.
void resolve_data_format(Configuration& configuration);

/// Whether the first row of a file of JSON is a list of messages; false where it cannot be read.
bool holds_conversations(const std::filesystem::path& file);

/// Whether it is a pair of answers (data/chat/preference_row.h); false where it cannot be read.
bool holds_pairs(const std::filesystem::path& file);

/// The template of a run; null where there is none and none is needed. Throws Error as ChatTemplate does.
std::shared_ptr<const ChatTemplate> chat_template_of(const DataSection& data, const Tokenizer& tokenizer);

/// How the conversations of a run become tokens; null where it reads texts. `end_token`: of texts without a template.
/// `pairs`: rows are pairs of answers.
/// Throws a usage Error for keys that conversations do not go with.
std::shared_ptr<const ChatEncoder> chat_encoder_of(const DataSection& data, const Tokenizer& tokenizer,
                                                   std::int64_t max_length, std::int32_t end_token, bool pairs = false);

/// Collective. The counts of all ranks.
ChatCounts counts_of_all(const ChatCounts& mine, Communicator& communicator);

/// Counts that lie beside a cached table; nothing where there are none.
std::optional<ChatCounts> read_chat_counts(const std::filesystem::path& tokens);
void write_chat_counts(const std::filesystem::path& tokens, const ChatCounts& counts);

/// What there is to say of a table's conversations. `role`: "training", "validation", ...
std::vector<Finding> diagnose_chats(const ChatCounts& counts, const ChatSettings& settings, const Tokenizer& tokenizer,
                                    std::string_view role);

}  // namespace temper

// Conversations as the data of a run: whether the files hold some, how they are read, and what is told of all of them
// before the first step.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "comm/communicator.h"
#include "data/chat/chat_encoder.h"
#include "data/diagnostics.h"
#include "runtime/config/config.h"
#include "runtime/tasks/task.h"

namespace temper {

/// Whether data.format says so.
inline bool reads_conversations(const DataSection& data) { return data.format == "conversations"; }

/// Where data.format is "auto": "conversations", if rows are pairs of answers, or if the first file of data.train
/// holds_conversations; else it stays, and rows are texts. Of a file that cannot be read, who reads it tells what is
/// wrong.
void resolve_data_format(Configuration& configuration);

/// Whether the first row of a file of JSON is a conversation, in any of the forms of data/chat/chat_row.h, and has no
/// member of the name of the column of texts. False of other files and where the row cannot be read.
bool holds_conversations(const std::filesystem::path& file, std::string_view text_column);

/// Whether it is a pair of answers (data/chat/preference_row.h) and no conversation, likewise.
bool holds_pairs(const std::filesystem::path& file, std::string_view text_column);

/// The template of a run; null where there is none and none is needed. Throws Error as ChatTemplate does.
std::shared_ptr<const ChatTemplate> chat_template_of(const DataSection& data, const Tokenizer& tokenizer);

/// The text of data.chat_template's file; empty where it names none. Throws Error where it cannot be read.
std::string text_of_own_template(const DataSection& data);

/// How the conversations of a run become tokens; null where it reads texts. `end_token`: of texts without a template.
/// `pairs`: rows are pairs of answers.
/// Throws a usage Error for keys that conversations do not go with.
std::shared_ptr<const ChatEncoder> chat_encoder_of(const DataSection& data, const Tokenizer& tokenizer,
                                                   std::int64_t max_length, std::int32_t end_token, bool pairs = false);

/// Collective. The counts of all ranks.
ChatCounts counts_of_all(const ChatCounts& mine, Communicator& communicator);

/// What was counted when a table was tokenised.
struct ChatTally {
  ChatCounts counts{};
  std::vector<std::int64_t> sequences_of_files;  ///< that came of the rows of each file
};

/// What lies beside a cached table; nothing where there is none, or one of files with other numbers of rows.
std::optional<ChatTally> read_chat_tally(const std::filesystem::path& tokens,
                                         std::span<const std::int64_t> rows_of_files);
void write_chat_tally(const std::filesystem::path& tokens, std::span<const std::int64_t> rows_of_files,
                      const ChatTally& tally);

/// What there is to say of a table's conversations. `role`: "training", "validation", ...
std::vector<Finding> diagnose_chats(const ChatCounts& counts, const ChatSettings& settings, const Tokenizer& tokenizer,
                                    std::string_view role);

}  // namespace temper

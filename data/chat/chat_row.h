// A row of a file of conversations, in whichever of the usual forms it is written.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/chat/conversation.h"

namespace temper {

struct ChatRow {
  Conversation conversation;
  std::vector<bool> may_be_learnt;  ///< [messages] false where the row says so (weight 0), and of a prompt's messages
  /// prompt and completion (or instruction and output) were texts: without a template they are one text.
  bool is_pair = false;
};

/// A JSON object with one of
///   messages       [{"role", "content", ...}, ...]
///   conversations  [{"from", "value"}, ...], or as messages
///   prompt and completion   texts, or lists of messages, of which those of the completion may be learnt
///   instruction, output (or response), perhaps input, system and history ([[question, answer], ...])
/// and, where it is wanted, system (a text), tools and documents (lists, or the JSON of one) and chat_template_kwargs
/// (variables of the template). A message's weight, 0 or 1, or train, true or false, says whether it may be learnt.
/// Throws Error, without the place, for a row that is none of these, saying what was found.
ChatRow parse_chat_row(std::string_view json);
/// The same of what the JSON says.
ChatRow parse_chat_row(const jinja::Value& object);

/// Which form an object's members make, "messages" say; empty where they make none.
std::string_view chat_form(const std::vector<std::string>& members);

}  // namespace temper

// A row of a file of conversations, in whichever of the usual forms it is written.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/chat/conversation.h"

namespace temper {

struct ChatRow {
  Conversation conversation;
  std::vector<float> weights;   ///< [messages] what each counts where it is learnt, as the row says; 0: it is not
  std::vector<bool> is_prompt;  ///< [messages] of a prompt, whose turns are no answers
  /// prompt and completion (or instruction and output) were texts: without a template they are one text.
  bool is_pair = false;
};

/// A JSON object with one of
///   messages       [{"role", "content", ...}, ...]
///   conversations  [{"from", "value"}, ...], or as messages
///   prompt and completion   texts, or lists of messages, of which those of the completion may be learnt
///   instruction, output (or response), perhaps input, system and history ([[question, answer], ...])
/// and, where it is wanted, system (a text), tools and documents (lists, or the JSON of one) and chat_template_kwargs
/// (variables of the template). A message's weight, a number of at least 0, says how much its tokens count, and train,
/// true or false, whether they do; messages without either count 1.
/// Throws Error, without the place, for a row that is none of these, saying what was found.
ChatRow parse_chat_row(std::string_view json);
/// The same of what the JSON says.
ChatRow parse_chat_row(const jinja::Value& object);

/// Which form an object's members make, "messages" say; empty where they make none.
std::string_view chat_form(const std::vector<std::string>& members);

}  // namespace temper

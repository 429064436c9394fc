// A row of a file of preference pairs: what was asked, and two answers of which one is preferred.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/chat/chat_row.h"

namespace temper {

struct PreferenceRow {
  ChatRow chosen;    ///< the prompt and the preferred answer, of which only what answers may be learnt
  ChatRow rejected;  ///< the same prompt and the other answer
  /// Both were whole texts, without a prompt beside them: what they begin with may be anything, such as the names of
  /// speakers, and is no message.
  bool is_whole_texts = false;
};

/// A JSON object with
///   prompt, chosen and rejected   texts, or lists of messages; the answers may also be single messages
///   messages (or conversations) in place of the prompt
///   instruction and perhaps input, or question, in place of the prompt, as texts
///   chosen and rejected           whole lists of messages: what both begin with is the prompt. A prompt beside them
///                                 must be what they begin with, or the last thing asked in that.
///   chosen and rejected           whole texts: what both begin with, up to a blank, is the prompt
///   input, preferred_output and non_preferred_output, as OpenAI's files have them
/// and what parse_chat_row reads beside: system, tools, documents, chat_template_kwargs. Throws Error, without the
/// place, for a row that is none of these, where an answer ends with the prompt, and for messages with a weight of
/// their own that is not 0 or 1.
PreferenceRow parse_preference_row(std::string_view json);

/// Whether the two answers are the same.
bool has_equal_answers(const PreferenceRow& row);
/// Whether one of them says nothing.
bool has_empty_answer(const PreferenceRow& row);

/// Whether an object's members make a row of preferences.
bool is_preference_form(const std::vector<std::string>& members);

}  // namespace temper

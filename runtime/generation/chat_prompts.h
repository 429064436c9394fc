// Conversations as prompts: what the model's template makes of them, up to where it answers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/chat/chat_row.h"
#include "data/chat/chat_template.h"
#include "runtime/generation/shared_prompts.h"

namespace temper {

class ChatPrompts {
 public:
  /// `own_template`: a file, or empty for the model's own. Throws Error as ChatTemplate does.
  ChatPrompts(const Tokenizer& tokenizer, const std::string& own_template);

  /// The prompt of a conversation; answers at its end are what is asked for, and left out. Throws Error, naming the
  /// place, where the template refuses it.
  [[nodiscard]] TextPrompt prompt(const Conversation& conversation, const std::string& place) const;
  /// The same of what a user asks; `system`: what the model is told before, empty for nothing.
  [[nodiscard]] TextPrompt question(const std::string& asked, const std::string& place,
                                    const std::string& system = {}) const;
  /// The same of a row of JSON.
  [[nodiscard]] TextPrompt prompt(std::string_view json, const std::string& place) const;

  /// The token that ends an answer by the template, and the tokenizer's end token, where they are not among `known`.
  [[nodiscard]] std::vector<std::int32_t> more_stop_tokens(const std::vector<std::int32_t>& known) const;

 private:
  const Tokenizer& tokenizer_;
  std::shared_ptr<const ChatTemplate> chat_;
};

/// A message of somebody who types.
jinja::Value typed_message(const char* role, const std::string& text);

/// {"messages": [{"role", "content"}, ...]} of messages that have texts.
std::string conversation_json(const std::vector<jinja::Value>& messages);

}  // namespace temper

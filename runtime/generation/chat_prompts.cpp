#include "runtime/generation/chat_prompts.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "data/chat/chat_encoder.h"
#include "data/tokenizer/tokenizer_file.h"

namespace temper {

ChatPrompts::ChatPrompts(const Tokenizer& tokenizer, const std::string& own_template)
    : tokenizer_(tokenizer), chat_(std::make_shared<const ChatTemplate>(tokenizer, own_template, today())) {}

TextPrompt ChatPrompts::prompt(const Conversation& conversation, const std::string& place) const {
  std::size_t messages = conversation.messages.size();
  while (messages > 0 && is_answer_role(role_of(conversation.messages[messages - 1]))) --messages;
  if (messages == 0) throw Error("{}: the conversation has nothing to answer; expected a turn of the user", place);
  try {
    const RenderedChat chat = chat_->render(conversation, messages, true);
    return {chat.text.bytes(), place, token_ids(chat, tokenizer_)};
  } catch (const Error& error) {
    throw Error("{}: {}", place, error.what());
  }
}

TextPrompt ChatPrompts::question(const std::string& asked, const std::string& place, const std::string& system) const {
  Conversation conversation;
  if (!system.empty()) conversation.messages.push_back(typed_message("system", system));
  conversation.messages.push_back(typed_message("user", asked));
  return prompt(conversation, place);
}

TextPrompt ChatPrompts::prompt(std::string_view json, const std::string& place) const {
  ChatRow row;
  try {
    row = parse_chat_row(json);
  } catch (const Error& error) {
    throw Error("{}: {}", place, error.what());
  }
  return prompt(row.conversation, place);
}

std::vector<std::int32_t> ChatPrompts::more_stop_tokens(const std::vector<std::int32_t>& known) const {
  std::vector<std::int32_t> found;
  const auto add = [&](std::int32_t id) {
    if (std::find(known.begin(), known.end(), id) == known.end() &&
        std::find(found.begin(), found.end(), id) == found.end())
      found.push_back(id);
  };
  for (const auto& [name, text] : tokenizer_.chat().special_tokens)
    if (name == "eos_token")
      if (const std::optional<std::int32_t> id = tokenizer_.id_of(text)) add(*id);
  try {
    const ChatEncoder encoder(tokenizer_, chat_, {});
    const std::vector<LearntSequence> sequences = encoder.encode_whole(
        R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})");
    const LearntSequence& sequence = sequences.back();
    for (std::size_t i = sequence.ids.size(); i-- > 0;) {
      if (!sequence.learnt[i]) continue;
      if (tokenizer_.is_special(sequence.ids[i])) add(sequence.ids[i]);
      break;
    }
  } catch (const Error&) {
    // A template that refuses these two turns has none of its own.
  }
  return found;
}

jinja::Value typed_message(const char* role, const std::string& text) {
  return jinja::make_dict({{jinja::make_text("role"), jinja::make_text(role)},
                           {jinja::make_text("content"), jinja::make_text(text, /*from_data=*/true)}});
}

std::string conversation_json(const std::vector<jinja::Value>& messages) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const jinja::Value& message : messages) {
    const jinja::Value* content = std::get<jinja::DictPointer>(message)->find("content");
    all.push_back({{"role", role_of(message)},
                   {"content", content == nullptr ? std::string() : jinja::string_of(*content).bytes()}});
  }
  return nlohmann::ordered_json{{"messages", std::move(all)}}.dump(-1, ' ', false,
                                                                   nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace temper

#include "data/chat/chat_row.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/name_list.h"
#include "data/chat/json_value.h"

namespace temper {
namespace {

using jinja::Dict;
using jinja::DictPointer;
using jinja::SequencePointer;
using jinja::Value;

const Dict& members_of_object(const Value& value) { return *std::get<DictPointer>(value); }

/// Null where the member is absent or null.
const Value* member(const Dict& object, std::string_view name) {
  const Value* found = object.find(name);
  return found == nullptr || jinja::is_none(*found) ? nullptr : found;
}

const char* kind_of(const Value& value) {
  if (jinja::is_none(value)) return "null";
  if (std::holds_alternative<bool>(value)) return "a boolean";
  if (jinja::is_number(value)) return "a number";
  if (jinja::is_text(value)) return "a text";
  return jinja::is_dict(value) ? "an object" : "a list";
}

const std::vector<Value>& list_in(const Value& value, std::string_view name) {
  if (!jinja::is_list(value)) throw Error("found {} in \"{}\", expected a list", kind_of(value), name);
  return std::get<SequencePointer>(value)->items;
}

/// A list, also where it is written as JSON within a text.
Value list_or_json(const Value& value, std::string_view name) {
  Value list = value;
  if (jinja::is_text(value)) {
    try {
      list = parse_json_value(jinja::text_of(value).bytes());
    } catch (const Error& error) {
      throw Error("the text in \"{}\" is not the JSON of a list: {}", name, error.what());
    }
  }
  list_in(list, name);
  return list;
}

Value make_message(const char* role, const Value& content) {
  return jinja::make_dict({{jinja::make_text("role"), jinja::make_text(role)}, {jinja::make_text("content"), content}});
}

constexpr std::array<std::pair<std::string_view, const char*>, 17> kSpeakers{{{"human", "user"},
                                                                              {"user", "user"},
                                                                              {"prompter", "user"},
                                                                              {"gpt", "assistant"},
                                                                              {"chatgpt", "assistant"},
                                                                              {"assistant", "assistant"},
                                                                              {"bot", "assistant"},
                                                                              {"bing", "assistant"},
                                                                              {"bard", "assistant"},
                                                                              {"model", "assistant"},
                                                                              {"function_call", "assistant"},
                                                                              {"system", "system"},
                                                                              {"tool", "tool"},
                                                                              {"function", "tool"},
                                                                              {"function_response", "tool"},
                                                                              {"tool_response", "tool"},
                                                                              {"observation", "tool"}}};

/// {"from": "human", "value": "..."} as {"role": "user", "content": "..."}; its other members stay.
Value from_and_value(const Dict& object, const Value& from) {
  if (!jinja::is_text(from)) throw Error("found {} in \"from\", expected who speaks", kind_of(from));
  const std::string& speaker = jinja::text_of(from).bytes();
  const auto known =
      std::find_if(kSpeakers.begin(), kSpeakers.end(), [&](const auto& one) { return one.first == speaker; });
  std::vector<std::pair<Value, Value>> entries;
  entries.emplace_back(jinja::make_text("role"), known == kSpeakers.end() ? from : jinja::make_text(known->second));
  const Value* value = object.find("value");
  entries.emplace_back(jinja::make_text("content"), value == nullptr ? Value(jinja::None{}) : *value);
  for (const auto& [key, entry] : object.entries)
    if (jinja::text_of(key).bytes() != "from" && jinja::text_of(key).bytes() != "value")
      entries.emplace_back(key, entry);
  return jinja::make_dict(std::move(entries));
}

void require_content(const Dict& message, std::size_t number) {
  const Value* content = member(message, "content");
  if (content == nullptr || jinja::is_text(*content) || jinja::is_dict(*content) || jinja::is_list(*content)) return;
  throw Error("message {} has {} as its content, expected a text, a list of parts, or null", number, kind_of(*content));
}

/// What the message says that it counts.
float weight_of(const Dict& message, std::size_t number) {
  if (const Value* train = member(message, "train")) {
    if (!std::holds_alternative<bool>(*train))
      throw Error("message {} has {} as \"train\", expected true (it may be learnt) or false", number, kind_of(*train));
    if (!std::get<bool>(*train)) return 0.0F;
  }
  const Value* weight = member(message, "weight");
  if (weight == nullptr) return 1.0F;
  const bool is_number = jinja::is_number(*weight) && !std::holds_alternative<bool>(*weight);
  const double value = is_number ? jinja::real_of(*weight) : -1.0;
  // Weights are f32.
  if (value >= 0.0 && value <= std::numeric_limits<float>::max()) return static_cast<float>(value);
  if (value > 0.0)
    throw Error("message {} has {} as its weight, more than f32 holds", number, jinja::string_of(*weight).bytes());
  throw Error(
      "message {} has {} as its weight, expected a number of at least 0, such as 0 (it is not learnt) or 0.5 (its "
      "tokens count half)",
      number, is_number ? jinja::string_of(*weight).bytes() : kind_of(*weight));
}

void add_messages(ChatRow& row, const std::vector<Value>& messages, bool is_prompt = false) {
  for (const Value& given : messages) {
    const std::size_t number = row.conversation.messages.size() + 1;
    if (!jinja::is_dict(given)) throw Error("message {} is {}, expected an object with a role", number, kind_of(given));
    Value message = given;
    if (const Value* from = member(members_of_object(given), "from"); from != nullptr && role_of(given).empty())
      message = from_and_value(members_of_object(given), *from);
    const Dict& object = members_of_object(message);
    if (role_of(message).empty())
      throw Error("message {} has no role; expected {{\"role\": \"user\", \"content\": \"...\"}}", number);
    require_content(object, number);
    row.weights.push_back(weight_of(object, number));
    row.is_prompt.push_back(is_prompt);
    row.conversation.messages.push_back(std::move(message));
  }
}

void add_pair(ChatRow& row, const Value& question, const Value& answer) {
  add_messages(row, {make_message("user", question), make_message("assistant", answer)});
}

void require_text(const Value& value, std::string_view name) {
  if (!jinja::is_text(value)) throw Error("found {} in \"{}\", expected a text", kind_of(value), name);
}

void read_prompt(ChatRow& row, const Value& prompt, const Value& completion) {
  if (jinja::is_list(prompt) || jinja::is_list(completion)) {
    add_messages(row, list_in(prompt, "prompt"), /*is_prompt=*/true);
    add_messages(row, list_in(completion, "completion"));
    return;
  }
  require_text(prompt, "prompt");
  require_text(completion, "completion");
  row.is_pair = true;
  add_pair(row, prompt, completion);
}

void read_instruction(ChatRow& row, const Dict& object, const Value& instruction) {
  const Value* output = member(object, "output") != nullptr ? member(object, "output") : member(object, "response");
  require_text(instruction, "instruction");
  require_text(*output, "output");
  if (const Value* history = member(object, "history"))
    for (const Value& turn : list_in(*history, "history")) {
      const std::vector<Value>& both = list_in(turn, "history");
      if (both.size() != 2)
        throw Error("a turn in \"history\" has {} texts, expected a question and its answer", both.size());
      add_pair(row, both[0], both[1]);
    }
  jinja::Text question = jinja::text_of(instruction);
  if (const Value* input = member(object, "input")) {
    require_text(*input, "input");
    if (!jinja::text_of(*input).empty()) {
      if (!question.empty()) question.append("\n\n", false);
      question.append(jinja::text_of(*input));
    }
  }
  row.is_pair = row.conversation.messages.empty();
  add_pair(row, jinja::make_text(std::move(question)), *output);
}

/// What transformers' apply_chat_template takes under these names is no variable of the template: it is what decides
/// how the conversation is rendered, and rows have members of their own for what of it they may say.
constexpr std::array<std::string_view, 17> kArguments{"self",
                                                      "messages",
                                                      "conversation",
                                                      "conversations",
                                                      "tools",
                                                      "chat_template",
                                                      "tokenize",
                                                      "add_generation_prompt",
                                                      "padding",
                                                      "continue_final_message",
                                                      "truncation",
                                                      "return_tensors",
                                                      "sanitize_control_tokens",
                                                      "max_length",
                                                      "tokenizer_kwargs",
                                                      "return_dict",
                                                      "return_assistant_tokens_mask"};

/// A variable of the template. Special tokens may be among them, as in transformers; what they say then is text.
void add_variable(Conversation& conversation, const Value& key, const Value& value) {
  const std::string& name = jinja::text_of(key).bytes();
  if (std::find(kArguments.begin(), kArguments.end(), name) != kArguments.end())
    throw Error(
        "\"chat_template_kwargs\" has \"{}\", which is no variable of a template but an argument of the call that "
        "renders "
        "it; take it out (messages and tools are members of the row)",
        name);
  if (name != "documents") {
    conversation.variables.emplace_back(name, value);
    return;
  }
  if (!jinja::is_none(conversation.documents))
    throw Error("\"documents\" are in the row and in its \"chat_template_kwargs\"; keep one of them");
  if (!jinja::is_none(value)) conversation.documents = list_or_json(value, name);
}

std::vector<std::string> names_of_members(const Dict& object) {
  std::vector<std::string> names;
  for (const auto& [key, value] : object.entries)
    if (!jinja::is_none(value)) names.push_back(jinja::text_of(key).bytes());
  return names;
}

}  // namespace

std::string_view chat_form(const std::vector<std::string>& members) {
  const auto has = [&](std::string_view name) {
    return std::find(members.begin(), members.end(), name) != members.end();
  };
  if (has("messages")) return "messages";
  if (has("conversations")) return "conversations";
  if (has("conversation")) return "conversation";
  if (has("prompt") && has("completion")) return "prompt";
  if (has("instruction") && (has("output") || has("response"))) return "instruction";
  return {};
}

ChatRow parse_chat_row(std::string_view json) { return parse_chat_row(parse_json_value(json)); }

ChatRow parse_chat_row(const Value& value) {
  if (!jinja::is_dict(value))
    throw Error("found {}, expected an object such as {{\"messages\": [...]}}", kind_of(value));
  const Dict& object = members_of_object(value);
  const std::vector<std::string> names = names_of_members(object);
  const std::string_view form = chat_form(names);
  if (form.empty())
    throw Error(
        "is no conversation: found {}, expected \"messages\", \"conversations\", \"prompt\" and \"completion\", "
        "or \"instruction\" and \"output\"",
        names.empty() ? "an object without members" : name_list(names));
  ChatRow row;
  if (const Value* system = member(object, "system")) {
    require_text(*system, "system");
    if (!jinja::text_of(*system).empty()) add_messages(row, {make_message("system", *system)});
  }
  const bool has_system = !row.conversation.messages.empty();
  if (form == "prompt") {
    read_prompt(row, *member(object, "prompt"), *member(object, "completion"));
  } else if (form == "instruction") {
    read_instruction(row, object, *member(object, "instruction"));
  } else {
    add_messages(row, list_in(*member(object, form), form));
  }
  row.is_pair = row.is_pair && !has_system;
  std::vector<Value>& messages = row.conversation.messages;
  if (has_system && messages.size() > 1 && role_of(messages[1]) == "system") {
    messages.erase(messages.begin());  // the conversation has its own
    row.weights.erase(row.weights.begin());
    row.is_prompt.erase(row.is_prompt.begin());
  }
  if (messages.empty())
    throw Error("Cannot apply chat template to an empty conversation. Provide at least one message.");
  if (const Value* tools = member(object, "tools")) {
    row.conversation.tools = list_or_json(*tools, "tools");
    if (std::get<SequencePointer>(row.conversation.tools)->items.empty()) row.conversation.tools = jinja::None{};
  }
  if (const Value* documents = member(object, "documents"))
    row.conversation.documents = list_or_json(*documents, "documents");
  if (const Value* variables = member(object, "chat_template_kwargs")) {
    if (!jinja::is_dict(*variables))
      throw Error("found {} in \"chat_template_kwargs\", expected an object", kind_of(*variables));
    for (const auto& [key, entry] : members_of_object(*variables).entries) add_variable(row.conversation, key, entry);
  }
  return row;
}

}  // namespace temper

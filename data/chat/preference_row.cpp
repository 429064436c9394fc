#include "data/chat/preference_row.h"

#include <algorithm>
#include <array>
#include <optional>
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
using Messages = std::vector<Value>;

/// Null where the member is absent or null.
const Value* given(const Dict& object, std::string_view name) {
  const Value* found = object.find(name);
  return found == nullptr || jinja::is_none(*found) ? nullptr : found;
}

const char* described(const Value& value) {
  if (jinja::is_text(value)) return "a text";
  if (jinja::is_dict(value)) return "an object";
  if (jinja::is_list(value)) return "a list";
  return "neither a text nor messages";
}

const Messages& items_of(const Value& list) { return std::get<SequencePointer>(list)->items; }

/// A row's three parts, as it has them.
struct Parts {
  const Value* prompt = nullptr;  ///< null: what both answers begin with
  const Value* chosen = nullptr;
  const Value* rejected = nullptr;
};

constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kAnswerNames{
    {{"chosen", "rejected"}, {"preferred_output", "non_preferred_output"}}};

/// "from": "gpt" or "role": "assistant".
bool is_answer(const Value& message) {
  if (!jinja::is_dict(message)) return false;
  const std::string role = role_of(message);
  if (!role.empty()) return is_answer_role(role);
  const Value* from = given(*std::get<DictPointer>(message), "from");
  if (from == nullptr || !jinja::is_text(*from)) return false;
  const std::string& speaker = jinja::text_of(*from).bytes();
  return speaker == "gpt" || is_answer_role(speaker);
}

Value message_of(const char* role, const Value& content) {
  return jinja::make_dict({{jinja::make_text("role"), jinja::make_text(role)}, {jinja::make_text("content"), content}});
}

/// The text of a message, or empty.
std::string content_of(const Value& message) {
  if (!jinja::is_dict(message)) return {};
  for (const char* name : {"content", "value"})
    if (const Value* content = given(*std::get<DictPointer>(message), name); content != nullptr)
      return jinja::is_text(*content) ? jinja::text_of(*content).bytes() : std::string();
  return {};
}

std::size_t common_messages(const Messages& a, const Messages& b) {
  jinja::Meter meter;
  std::size_t same = 0;
  while (same < a.size() && same < b.size() && jinja::equal(meter, a[same], b[same])) ++same;
  return same;
}

/// What stands beside a row's prompt, or with it in OpenAI's "input"; null where it is not given.
const Value* beside(const Dict& object, const char* name) {
  if (const Value* member = given(object, name)) return member;
  const Value* input = given(object, "input");
  return input != nullptr && jinja::is_dict(*input) ? given(*std::get<DictPointer>(*input), name) : nullptr;
}

/// The two rows of a prompt and two answers, all of them texts or all lists.
PreferenceRow rows_of(const Dict& object, const Value& prompt, const Value& chosen, const Value& rejected) {
  const auto row_with = [&](const Value& answer) {
    std::vector<std::pair<Value, Value>> entries;
    for (const char* name : {"system", "tools", "documents", "chat_template_kwargs"})
      if (const Value* member = beside(object, name)) entries.emplace_back(jinja::make_text(name), *member);
    entries.emplace_back(jinja::make_text("prompt"), prompt);
    entries.emplace_back(jinja::make_text("completion"), answer);
    return parse_chat_row(jinja::make_dict(std::move(entries)));
  };
  return {.chosen = row_with(chosen), .rejected = row_with(rejected)};
}

void require_answer(const Messages& answer, std::string_view name) {
  if (answer.empty()) throw Error("has no answer in \"{}\": it ends where the prompt does; take the row out", name);
}

/// Whole lists of messages, of which the beginning that both have is the prompt.
PreferenceRow whole_lists(const Dict& object, const Parts& parts, const Messages& chosen, const Messages& rejected) {
  std::size_t same = common_messages(chosen, rejected);
  // Of two answers that are the same, the last is what they have as such.
  if (same == chosen.size() && same == rejected.size() && same > 0) --same;
  if (same == 0)
    throw Error(
        "has lists of messages in \"chosen\" and \"rejected\" that begin with different messages, expected the same "
        "prompt in both");
  if (parts.prompt != nullptr && jinja::is_text(*parts.prompt)) {
    const std::string& text = jinja::text_of(*parts.prompt).bytes();
    const bool known = std::any_of(chosen.begin(), chosen.begin() + static_cast<std::ptrdiff_t>(same),
                                   [&](const Value& message) { return content_of(message) == text; });
    if (!known)
      throw Error("has a text in \"prompt\" that no message says which \"chosen\" and \"rejected\" begin with");
  } else if (parts.prompt != nullptr) {
    const Messages& prompt = items_of(*parts.prompt);
    if (common_messages(prompt, chosen) != prompt.size() || common_messages(prompt, rejected) != prompt.size())
      throw Error(
          "has messages in \"prompt\" that \"chosen\" and \"rejected\", which are whole conversations, do not "
          "begin with");
    same = std::min(same, prompt.size());
  }
  const auto part = [](const Messages& list, std::size_t begin, std::size_t end) {
    return Messages(list.begin() + static_cast<std::ptrdiff_t>(begin), list.begin() + static_cast<std::ptrdiff_t>(end));
  };
  const Messages prompt = part(chosen, 0, same);
  const Messages one = part(chosen, same, chosen.size());
  const Messages other = part(rejected, same, rejected.size());
  require_answer(one, "chosen");
  require_answer(other, "rejected");
  return rows_of(object, jinja::make_list(prompt), jinja::make_list(one), jinja::make_list(other));
}

/// Whole texts, of which the beginning that both have, up to a blank, is the prompt.
PreferenceRow whole_texts(const Dict& object, const jinja::Text& chosen, const jinja::Text& rejected) {
  const std::string& a = chosen.bytes();
  const std::string& b = rejected.bytes();
  auto same = static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
  if (same == a.size() && same == b.size()) same = a.find_last_of(" \n\t", a.empty() ? 0 : a.size() - 1);
  const std::size_t blank =
      same == 0 || same == std::string::npos ? std::string::npos : a.find_last_of(" \n\t", same - 1);
  // A blank belongs to the word behind it, as tokenizers have it; a line feed does not.
  const std::size_t begin = blank == std::string::npos ? 0 : a[blank] == ' ' ? blank : blank + 1;
  if (begin == 0)
    throw Error(
        "has no \"prompt\", and the texts in \"chosen\" and \"rejected\" begin with different words, expected the "
        "same prompt in both");
  if (begin >= a.size() || begin >= b.size())
    throw Error("has no answer in \"{}\": it ends where the prompt does; take the row out",
                begin >= a.size() ? "chosen" : "rejected");
  PreferenceRow row =
      rows_of(object, jinja::make_text(chosen.slice(0, begin)), jinja::make_text(chosen.slice(begin, a.size())),
              jinja::make_text(rejected.slice(begin, b.size())));
  row.is_whole_texts = true;
  return row;
}

/// What stands where a prompt does: "prompt", "messages", "instruction" with "input", ...
std::optional<Value> prompt_of(const Dict& object) {
  for (const char* name : {"prompt", "messages", "conversations", "conversation", "question"})
    if (const Value* found = given(object, name)) {
      if (!jinja::is_text(*found) && !jinja::is_list(*found))
        throw Error("found {} in \"{}\", expected a text or a list of messages", described(*found), name);
      return *found;
    }
  const Value* input = given(object, "input");
  if (const Value* instruction = given(object, "instruction")) {
    if (!jinja::is_text(*instruction) || (input != nullptr && !jinja::is_text(*input)))
      throw Error("found {} in \"instruction\" and {} in \"input\", expected texts", described(*instruction),
                  input == nullptr ? "nothing" : described(*input));
    jinja::Text text = jinja::text_of(*instruction);
    if (input != nullptr && !jinja::text_of(*input).empty()) {
      if (!text.empty()) text.append("\n\n", false);
      text.append(jinja::text_of(*input));
    }
    return jinja::make_text(std::move(text));
  }
  if (input != nullptr && jinja::is_dict(*input))
    if (const Value* messages = given(*std::get<DictPointer>(*input), "messages"); messages != nullptr) {
      if (!jinja::is_list(*messages))
        throw Error("found {} in \"input\", \"messages\", expected a list of messages", described(*messages));
      return *messages;
    }
  return std::nullopt;
}

/// An answer in a form that the other has, too: a text, or a list of messages.
Value as_list(const Value& answer) {
  if (jinja::is_list(answer)) return answer;
  return jinja::make_list({jinja::is_dict(answer) ? answer : message_of("assistant", answer)});
}

void require_content(const Value& answer, std::string_view name) {
  if (jinja::is_list(answer) && items_of(answer).empty())
    throw Error("has an empty list in \"{}\", expected an answer; take the row out", name);
  if (!jinja::is_text(answer) && !jinja::is_list(answer) && !jinja::is_dict(answer))
    throw Error("found {} in \"{}\", expected a text, a message or a list of messages", described(answer), name);
}

}  // namespace

bool is_preference_form(const std::vector<std::string>& members) {
  const auto has = [&](std::string_view name) {
    return std::find(members.begin(), members.end(), name) != members.end();
  };
  return std::any_of(kAnswerNames.begin(), kAnswerNames.end(),
                     [&](const auto& names) { return has(names.first) && has(names.second); });
}

namespace {

PreferenceRow parse_pair(std::string_view json) {
  const Value value = parse_json_value(json);
  if (!jinja::is_dict(value))
    throw Error(
        "is no object, expected one such as {{\"prompt\": \"...\", \"chosen\": \"...\", \"rejected\": \"...\"}}");
  const Dict& object = *std::get<DictPointer>(value);
  Parts parts;
  std::pair<std::string_view, std::string_view> names;
  for (const auto& both : kAnswerNames) {
    parts.chosen = given(object, both.first);
    parts.rejected = given(object, both.second);
    names = both;
    if (parts.chosen != nullptr && parts.rejected != nullptr) break;
  }
  if (parts.chosen == nullptr || parts.rejected == nullptr) {
    std::vector<std::string> found;
    for (const auto& [key, entry] : object.entries)
      if (!jinja::is_none(entry)) found.push_back(jinja::text_of(key).bytes());
    throw Error("is no pair of answers: found {}, expected \"chosen\" and \"rejected\", and \"prompt\" or \"messages\"",
                found.empty() ? "an object without members" : name_list(found));
  }
  require_content(*parts.chosen, names.first);
  require_content(*parts.rejected, names.second);
  const std::optional<Value> prompt = prompt_of(object);
  if (prompt) parts.prompt = &*prompt;
  const bool texts = jinja::is_text(*parts.chosen) && jinja::is_text(*parts.rejected);
  if (texts && !prompt) return whole_texts(object, jinja::text_of(*parts.chosen), jinja::text_of(*parts.rejected));
  if (texts && jinja::is_text(*prompt)) return rows_of(object, *prompt, *parts.chosen, *parts.rejected);
  const Value chosen = as_list(*parts.chosen);
  const Value rejected = as_list(*parts.rejected);
  // An answer alone stands behind the prompt; what begins with anything else is the whole conversation.
  const bool alone = prompt && is_answer(items_of(chosen).front()) && is_answer(items_of(rejected).front());
  if (!alone) return whole_lists(object, parts, items_of(chosen), items_of(rejected));
  const Value list = jinja::is_list(*prompt) ? *prompt : jinja::make_list({message_of("user", *prompt)});
  return rows_of(object, list, chosen, rejected);
}

}  // namespace

PreferenceRow parse_preference_row(std::string_view json) {
  PreferenceRow row = parse_pair(json);
  for (const ChatRow* answer : {&row.chosen, &row.rejected})
    for (const float weight : answer->weights)
      if (weight != 0.0F && weight != 1.0F)
        throw Error(
            "a message has the weight {}, but tokens of preferred and rejected answers count alike or not at all; "
            "expected 0 or 1",
            weight);
  return row;
}

bool has_equal_answers(const PreferenceRow& row) {
  const Messages& chosen = row.chosen.conversation.messages;
  const Messages& rejected = row.rejected.conversation.messages;
  return chosen.size() == rejected.size() && common_messages(chosen, rejected) == chosen.size();
}

bool has_empty_answer(const PreferenceRow& row) {
  const auto is_empty = [](const ChatRow& answer) {
    const Messages& messages = answer.conversation.messages;
    bool any = false;
    for (std::size_t i = 0; i < messages.size(); ++i) {
      if (answer.weights[i] == 0.0F || answer.is_prompt[i] || !is_answer(messages[i])) continue;
      any = true;
      const Dict& message = *std::get<DictPointer>(messages[i]);
      const Value* content = given(message, "content");
      const bool says = content != nullptr && (!jinja::is_text(*content) || !jinja::text_of(*content).empty());
      if (says || given(message, "tool_calls") != nullptr) return false;
    }
    return any;
  };
  return is_empty(row.chosen) || is_empty(row.rejected);
}

}  // namespace temper

#include "data/chat/chat_template.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/name_list.h"
#include "data/tokenizer/tokenizer_file.h"

namespace temper {
namespace {

constexpr std::string_view kDefault = "default";
constexpr std::string_view kWithTools = "tool_use";

jinja::Template parsed_template(const std::string& source, const std::string& place) {
  try {
    return jinja::Template(source);
  } catch (const jinja::TemplateError& error) {
    throw Error(
        "{}, line {} of the chat template: {}; fetch the file again, or name a template of your own with "
        "data.chat_template",
        place, error.line(), error.what());
  }
}

}  // namespace

ChatTemplate::ChatTemplate(const Tokenizer& tokenizer, const std::filesystem::path& own_file, const std::tm& now)
    : special_tokens_(tokenizer.chat().special_tokens), now_(now) {
  std::map<std::string, std::string> sources = tokenizer.chat().templates;
  place_ = tokenizer.chat().place;
  if (!own_file.empty()) {
    const MappedFile file(own_file);
    sources = {{std::string(kDefault), std::string(file.text())}};
    place_ = own_file.string();
  }
  if (sources.empty())
    throw Error(
        "{}: has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json), which "
        "conversations need; name a file with one (data.chat_template of a run, --chat-template of a command), or take "
        "a model that was taught to talk",
        place_.empty() ? "the tokenizer" : place_);
  for (const auto& [name, source] : sources) {
    templates_.push_back({name, parsed_template(source, place_)});
    identity_ += name + "\n" + source + "\n";
    writes_date_ = writes_date_ || source.find("strftime_now") != std::string::npos;
  }
  for (const auto& [name, token] : special_tokens_) identity_ += name + " " + token + "\n";
  if (writes_date_) identity_ += fmt::format("{} {}", now_.tm_year, now_.tm_yday);
}

const jinja::Template& ChatTemplate::choose(const Conversation& conversation) const {
  const auto named = [&](std::string_view name) {
    return std::find_if(templates_.begin(), templates_.end(), [&](const Named& one) { return one.name == name; });
  };
  if (!jinja::is_none(conversation.tools) && named(kWithTools) != templates_.end()) return named(kWithTools)->parsed;
  if (named(kDefault) != templates_.end()) return named(kDefault)->parsed;
  std::vector<std::string> names;
  for (const Named& one : templates_) names.push_back(one.name);
  throw Error("{}: has chat templates called {}, but none called \"default\"; name a file in data.chat_template",
              place_, name_list(names));
}

RenderedChat ChatTemplate::render(const Conversation& conversation, std::size_t messages, bool prompts) const {
  if (messages == 0) throw Error("Cannot apply chat template to an empty conversation. Provide at least one message.");
  const jinja::Template& chosen = choose(conversation);
  std::vector<std::pair<std::string, jinja::Value>> variables;
  const auto set = [&](const std::string& name, jinja::Value value) { variables.emplace_back(name, std::move(value)); };
  for (const auto& [name, token] : special_tokens_) set(name, jinja::make_text(token));
  std::vector<jinja::Value> first(conversation.messages.begin(),
                                  conversation.messages.begin() + static_cast<std::ptrdiff_t>(messages));
  // Handing over a member costs about as much as four steps of the template.
  std::int64_t steps = 0;
  for (const jinja::Value& message : first)
    steps += 4 * static_cast<std::int64_t>(std::get<jinja::DictPointer>(message)->entries.size());
  set("messages", jinja::make_list(messages_for_template(first)));
  set("tools", conversation.tools);
  set("documents", conversation.documents);
  set("add_generation_prompt", prompts);
  for (const auto& [name, value] : conversation.variables) set(name, value);
  std::reverse(variables.begin(), variables.end());  // those of a row may stand for any of the others
  try {
    jinja::Rendered rendered = chosen.render(std::move(variables), now_);
    return {std::move(rendered.text), std::move(rendered.generations), steps + rendered.steps};
  } catch (const jinja::TemplateError& error) {
    throw Error("the chat template ({}, line {}) refuses the conversation: {}", place_, error.line(), error.what());
  }
}

std::vector<std::int32_t> token_ids(const RenderedChat& chat, const Tokenizer& tokenizer) {
  const std::vector<std::pair<std::size_t, std::size_t>> data = chat.text.data_spans();
  return tokenizer.encode_plain(chat.text.bytes(), data);
}

std::vector<std::int32_t> token_ids(const RenderedChat& chat, const Tokenizer& tokenizer, PieceMemo& memo) {
  return tokenizer.encode_plain(chat.text.bytes(), chat.text.data_spans(), memo);
}

std::optional<std::tm> parse_date(const std::string& text) {
  int year = 0;
  int month = 0;
  int day = 0;
  int length = 0;
  if (std::sscanf(text.c_str(), "%4d-%2d-%2d%n", &year, &month, &day, &length) != 3 ||
      std::cmp_not_equal(length, text.size()) || year < 1900 || month < 1 || month > 12 || day < 1 || day > 31)
    return std::nullopt;
  std::tm date{};
  date.tm_year = year - 1900;
  date.tm_mon = month - 1;
  date.tm_mday = day;
  date.tm_hour = 12;
  ::timegm(&date);
  if (date.tm_mday != day) return std::nullopt;
  return date;
}

std::tm today() {
  const std::time_t now = std::time(nullptr);
  std::tm date{};
  ::localtime_r(&now, &date);
  return date;
}

}  // namespace temper

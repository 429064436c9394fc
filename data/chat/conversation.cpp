#include "data/chat/conversation.h"

#include <algorithm>
#include <array>
#include <optional>

namespace temper {
namespace {

constexpr std::array<std::string_view, 14> kKnownRoles{"system",   "user",    "assistant", "tool",        "developer",
                                                       "function", "ipython", "model",     "human",       "gpt",
                                                       "observer", "context", "documents", "tool_results"};

}  // namespace

bool is_answer_role(std::string_view role) { return role == "assistant" || role == "model" || role == "gpt"; }

std::string role_of(const jinja::Value& message) {
  if (!jinja::is_dict(message)) return {};
  const jinja::Value* role = std::get<jinja::DictPointer>(message)->find("role");
  return role != nullptr && jinja::is_text(*role) ? jinja::text_of(*role).bytes() : std::string();
}

std::vector<jinja::Value> messages_for_template(const std::vector<jinja::Value>& messages) {
  std::vector<jinja::Value> plain;
  for (const jinja::Value& message : messages) {
    const jinja::Dict& dict = *std::get<jinja::DictPointer>(message);
    std::optional<jinja::Value> reasoning;
    for (const char* name : {"reasoning_content", "thinking", "reasoning"}) {
      const jinja::Value* found = dict.find(name);
      if (!reasoning && found != nullptr && !jinja::is_none(*found)) reasoning = *found;
    }
    std::vector<std::pair<jinja::Value, jinja::Value>> entries;
    if (reasoning) entries.emplace_back(jinja::make_text("thinking"), *reasoning);
    for (const auto& [key, value] : dict.entries) {
      if (jinja::is_none(value)) continue;
      const bool is_role =
          jinja::is_text(key) && jinja::text_of(key).bytes() == "role" && jinja::is_text(value) &&
          std::find(kKnownRoles.begin(), kKnownRoles.end(), jinja::text_of(value).bytes()) != kKnownRoles.end();
      entries.emplace_back(key, is_role ? jinja::make_text(jinja::text_of(value).bytes()) : value);
    }
    if (reasoning) entries.emplace_back(jinja::make_text("reasoning_content"), *reasoning);
    plain.push_back(jinja::make_dict(std::move(entries)));
  }
  return plain;
}

}  // namespace temper

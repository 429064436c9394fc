// What people and programs say to each other, as the rows of a file have it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/jinja/value.h"

namespace temper {

struct Conversation {
  std::vector<jinja::Value> messages;  ///< dictionaries with a role, in order
  jinja::Value tools = jinja::None{};  ///< a list, where there are some
  jinja::Value documents = jinja::None{};
  std::vector<std::pair<std::string, jinja::Value>> variables;  ///< what else the template is to know
};

/// The role of a message; empty where it has none that is text.
std::string role_of(const jinja::Value& message);
/// Whether the model speaks in turns of this role, as templates and data sets call it.
bool is_answer_role(std::string_view role);

/// The messages as transformers (5.24) hands them to a template: members without a value go, reasoning is there as
/// `thinking` and `reasoning_content`, whichever of its names it came under. Roles that are known by name count as the
/// template's own text, so that it may build special tokens of them.
std::vector<jinja::Value> messages_for_template(const std::vector<jinja::Value>& messages);

}  // namespace temper

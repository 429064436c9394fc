// tojson as transformers has it: json.dumps with the spacing of Python, without escapes for HTML.
#pragma once

#include <optional>
#include <string>

#include "data/jinja/machine.h"

namespace temper::jinja {

struct JsonStyle {
  bool ascii = false;                 ///< other characters become \u escapes
  std::optional<std::string> indent;  ///< of a level; nothing: all on one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sorted = false;
};

/// Throws as json.dumps does.
Text json_text(Machine& machine, const Value& value, const JsonStyle& style);

}  // namespace temper::jinja

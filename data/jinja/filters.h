// What stands behind | and `is` (jinja2/filters.py and tests.py, 3.1).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/jinja/machine.h"
#include "data/jinja/objects.h"

namespace temper::jinja {

using Filter = Value (*)(Machine& machine, const Value& value, const Arguments& arguments);
using Test = bool (*)(Machine& machine, const Value& value, const Arguments& arguments);

/// A family of filters, each in a file of its own; null where it has none of the name.
Filter sequence_filter(std::string_view name);
Filter text_filter(std::string_view name);
Filter value_filter(std::string_view name);
Filter find_filter(std::string_view name);
Test find_test(std::string_view name);

/// Of "a.b.0": the elements to look up, one within the other. None gives the value itself.
class AttributeGetter {
 public:
  AttributeGetter(Machine& machine, const Value& attribute, std::optional<Value> absent = std::nullopt);
  [[nodiscard]] Value operator()(const Value& item) const;

 private:
  Machine& machine_;
  std::vector<Value> parts_;
  std::optional<Value> absent_;
};

inline TemplateError filter_argument_error(const std::string& message) {
  return {Refusal::not_template, "FilterArgumentError", message};
}

}  // namespace temper::jinja

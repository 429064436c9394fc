// What stands behind `is`.
#include <fmt/format.h>

#include "data/jinja/filters.h"
#include "data/jinja/operators.h"

namespace temper::jinja {
namespace {

bool is_defined_test(Machine& /*machine*/, const Value& value, const Arguments& /*arguments*/) {
  return !is_undefined(value);
}
bool is_undefined_test(Machine& /*machine*/, const Value& value, const Arguments& /*arguments*/) {
  return is_undefined(value);
}
bool is_none_test(Machine& /*machine*/, const Value& value, const Arguments& /*arguments*/) { return is_none(value); }
bool is_boolean_test(Machine& /*machine*/, const Value& value, const Arguments& /*arguments*/) {
  return std::holds_alternative<bool>(value);
}
bool is_true_test(Machine& /*machine*/, const Value& value, const Arguments& /*arguments*/) {
  return std::holds_alternative<bool>(value) && std::get<bool>(value);
}
bool is_false_test(Machine& /*machine*/, const Value& value, const Arguments& /*arguments*/) {
  return std::holds_alternative<bool>(value) && !std::get<bool>(value);
}
bool is_integer_test(Machine& /*machine*/, const Value& value, const Arguments& /*arguments*/) {
  return std::holds_alternative<Integer>(value);
}
bool is_float_test(Machine& /*machine*/, const Value& value, const Arguments& /*arguments*/) {
  return std::holds_alternative<double>(value);
}
bool is_number_test(Machine& /*machine*/, const Value& value, const Arguments& /*arguments*/) {
  return is_number(value);
}
bool is_string_test(Machine& /*machine*/, const Value& value, const Arguments& /*arguments*/) { return is_text(value); }
bool is_mapping_test(Machine& /*machine*/, const Value& value, const Arguments& /*arguments*/) {
  return is_dict(value);
}
bool is_iterable_test(Machine& /*machine*/, const Value& value, const Arguments& /*arguments*/) {
  return is_iterable(value);
}
bool is_callable_test(Machine& /*machine*/, const Value& value, const Arguments& /*arguments*/) {
  // Undefined values have a __call__, which raises.
  return is_undefined(value) || is_callable(value);
}
bool is_escaped_test(Machine& /*machine*/, const Value& value, const Arguments& /*arguments*/) {
  return is_text(value) && text_of(value).is_markup;
}
bool is_sequence_test(Machine& /*machine*/, const Value& value, const Arguments& /*arguments*/) {
  if (is_undefined(value) || is_text(value) || is_dict(value)) return true;
  if (!is_sequence(value)) return false;
  const SequenceKind kind = std::get<SequencePointer>(value)->kind;
  return kind == SequenceKind::list || kind == SequenceKind::tuple || kind == SequenceKind::range;
}
bool is_lower_test(Machine& machine, const Value& value, const Arguments& /*arguments*/) {
  const Text text = string_of(machine, value);
  machine.spend_text(text.size() * 4);
  return is_lower_case(text.bytes());
}
bool is_upper_test(Machine& machine, const Value& value, const Arguments& /*arguments*/) {
  const Text text = string_of(machine, value);
  machine.spend_text(text.size() * 4);
  return is_upper_case(text.bytes());
}
bool is_filter_test(Machine& machine, const Value& value, const Arguments& /*arguments*/) {
  require_hashable(machine, value);
  return is_text(value) && find_filter(text_of(value).bytes()) != nullptr;
}
bool is_test_test(Machine& machine, const Value& value, const Arguments& /*arguments*/) {
  require_hashable(machine, value);
  return is_text(value) && find_test(text_of(value).bytes()) != nullptr;
}

template <bool kOdd>
bool has_parity(Machine& machine, const Value& value, const Arguments& /*arguments*/) {
  return equal(machine, arithmetic(machine, "%", value, make_integer(2)), make_integer(kOdd ? 1 : 0));
}

bool is_divisible_test(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("test_divisibleby", arguments, {"num"});
  return equal(machine, arithmetic(machine, "%", value, bound.require(0)), make_integer(0));
}

bool is_same_test(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("test_sameas", arguments, {"other"});
  const Value& other = bound.require(0);
  if (value.index() != other.index()) return false;
  if (const auto* sequence = std::get_if<SequencePointer>(&value)) return *sequence == std::get<SequencePointer>(other);
  if (const auto* dict = std::get_if<DictPointer>(&value)) return *dict == std::get<DictPointer>(other);
  return equal(machine, value, other);
}

bool is_in_test(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("test_in", arguments, {"seq"});
  return contains(machine, bound.require(0), value);
}

constexpr char kEqual[] = "==";
constexpr char kUnequal[] = "!=";
constexpr char kLess[] = "<";
constexpr char kAtMost[] = "<=";
constexpr char kGreater[] = ">";
constexpr char kAtLeast[] = ">=";

template <const char* kSign>
bool compares_test(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("eq", arguments, {"other"});
  return compares(machine, kSign, value, bound.require(0));
}

}  // namespace

Test find_test(std::string_view name) {
  static constexpr std::pair<std::string_view, Test> kTests[] = {
      {"defined", is_defined_test},
      {"undefined", is_undefined_test},
      {"none", is_none_test},
      {"boolean", is_boolean_test},
      {"true", is_true_test},
      {"false", is_false_test},
      {"integer", is_integer_test},
      {"float", is_float_test},
      {"number", is_number_test},
      {"string", is_string_test},
      {"mapping", is_mapping_test},
      {"iterable", is_iterable_test},
      {"callable", is_callable_test},
      {"escaped", is_escaped_test},
      {"sequence", is_sequence_test},
      {"lower", is_lower_test},
      {"upper", is_upper_test},
      {"filter", is_filter_test},
      {"test", is_test_test},
      {"odd", has_parity<true>},
      {"even", has_parity<false>},
      {"divisibleby", is_divisible_test},
      {"sameas", is_same_test},
      {"in", is_in_test},
      {"==", compares_test<kEqual>},
      {"eq", compares_test<kEqual>},
      {"equalto", compares_test<kEqual>},
      {"!=", compares_test<kUnequal>},
      {"ne", compares_test<kUnequal>},
      {"<", compares_test<kLess>},
      {"lt", compares_test<kLess>},
      {"lessthan", compares_test<kLess>},
      {"<=", compares_test<kAtMost>},
      {"le", compares_test<kAtMost>},
      {">", compares_test<kGreater>},
      {"gt", compares_test<kGreater>},
      {"greaterthan", compares_test<kGreater>},
      {">=", compares_test<kAtLeast>},
      {"ge", compares_test<kAtLeast>},
  };
  for (const auto& [known, test] : kTests)
    if (known == name) return test;
  return nullptr;
}

bool Machine::test(const std::string& name, const Value& value, const Arguments& arguments) {
  spend(1);
  const Test found = find_test(name);
  if (found == nullptr)
    throw TemplateError(Refusal::not_template, "TemplateRuntimeError", fmt::format("No test named '{}'.", name));
  return found(*this, value, arguments);
}

}  // namespace temper::jinja

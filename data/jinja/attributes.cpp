// value.name and value[subscript], as Jinja's sandbox looks them up: an attribute first and then an element, or the
// other way round.
#include <fmt/format.h>

#include <algorithm>

#include "data/jinja/machine.h"
#include "data/jinja/objects.h"

namespace temper::jinja {
namespace {

Value no_attribute(const Value& value, const std::string& name) {
  return make_undefined(
      fmt::format("'{}' has no attribute {}", described_type(value), representation(Text(name)).bytes()));
}

Value no_element(Meter& meter, const Value& value, const Value& subscript) {
  if (is_text(subscript)) return no_attribute(value, text_of(subscript).bytes());
  return make_undefined(
      fmt::format("{} has no element {}", described_type(value), representation(meter, subscript).bytes()));
}

Value forbidden(const Value& value, const std::string& name) {
  return make_undefined(fmt::format("access to attribute {} of '{}' object is unsafe.",
                                    representation(Text(name)).bytes(), type_name(value)),
                        /*is_forbidden=*/true);
}

bool is_internal_name(const std::string& name) {
  return name.size() > 4 && name.starts_with("__") && name.ends_with("__");
}

/// getattr(value, name): false where it has no such attribute.
bool find_attribute(const Value& value, const std::string& name, Value& attribute) {
  if (is_internal_name(name) || is_changing_method(value, name)) {
    attribute = forbidden(value, name);
    return true;
  }
  Function::Body method = nullptr;
  if (is_text(value)) {
    method = text_method(name);
  } else if (is_dict(value)) {
    method = dict_method(name);
  } else if (is_sequence(value)) {
    const Sequence& sequence = *std::get<SequencePointer>(value);
    if (sequence.is_group && (name == "grouper" || name == "list")) {
      attribute = sequence.items[name == "grouper" ? 0 : 1];
      return true;
    }
    if (sequence.kind == SequenceKind::list || sequence.kind == SequenceKind::tuple ||
        sequence.kind == SequenceKind::range)
      method = list_method(name);
  } else if (const auto* object = std::get_if<ObjectPointer>(&value)) {
    if ((*object)->attribute(name, attribute)) return true;
    method = object_method(**object, name);
  }
  if (method == nullptr) return false;
  attribute = std::make_shared<Function>(name, method, value);
  return true;
}

/// value[subscript]: false where Python raises a TypeError or a LookupError.
bool find_item(Meter& meter, const Value& value, const Value& subscript, Value& item) {
  if (is_dict(value)) {
    if (!is_hashable(meter, subscript)) return false;
    const Value* found = std::get<DictPointer>(value)->find(meter, subscript);
    if (found == nullptr) return false;
    item = *found;
    return true;
  }
  if (!is_integral(subscript)) return false;
  const Integer index = integral_of(subscript);
  if (is_text(value)) {
    const Text& text = text_of(value);
    meter.spend_text(4 * text.size());
    const std::vector<std::size_t> starts = character_starts(text.bytes());
    const auto length = static_cast<Integer>(starts.size()) - 1;
    const Integer place = index < 0 ? index + length : index;
    if (place < 0 || place >= length) return false;
    item = make_text(text.slice(starts[static_cast<std::size_t>(place)], starts[static_cast<std::size_t>(place) + 1]));
    return true;
  }
  if (!is_sequence(value)) return false;
  const Sequence& sequence = *std::get<SequencePointer>(value);
  if (sequence.kind != SequenceKind::list && sequence.kind != SequenceKind::tuple &&
      sequence.kind != SequenceKind::range)
    return false;
  const auto length = static_cast<Integer>(sequence.items.size());
  const Integer place = index < 0 ? index + length : index;
  if (place < 0 || place >= length) return false;
  item = sequence.items[static_cast<std::size_t>(place)];
  return true;
}

}  // namespace

std::string described_type(const Value& value) { return is_none(value) ? "None" : type_name(value) + " object"; }

bool is_changing_method(const Value& value, std::string_view name) {
  static constexpr std::string_view kOfLists[] = {"append", "clear", "pop",    "reverse",
                                                  "insert", "sort",  "extend", "remove"};
  static constexpr std::string_view kOfDicts[] = {"clear", "pop", "popitem", "setdefault", "update"};
  if (is_list(value)) return std::find(std::begin(kOfLists), std::end(kOfLists), name) != std::end(kOfLists);
  if (is_dict(value)) return std::find(std::begin(kOfDicts), std::end(kOfDicts), name) != std::end(kOfDicts);
  return false;
}

Value Machine::attribute(const Value& value, const std::string& name) {
  spend(1);
  spend_text(16 * name.size());
  require_defined(value);
  Value found = None{};
  if (find_attribute(value, name, found)) return found;
  if (is_dict(value)) {
    const Value* entry = std::get<DictPointer>(value)->find(name);
    if (entry != nullptr) return *entry;
  }
  return no_attribute(value, name);
}

Value Machine::item(const Value& value, const Value& subscript) {
  require_defined(value);
  spend(1);
  if (is_text(subscript)) spend_text(16 * text_of(subscript).size());
  Value found = None{};
  if (find_item(*this, value, subscript, found)) return found;
  if (is_text(subscript) && find_attribute(value, text_of(subscript).bytes(), found)) return found;
  return no_element(*this, value, subscript);
}

// ---- methods of lists and dictionaries

namespace {

Value index_in_list(Machine& machine, const Value& self, Arguments& arguments) {
  const BoundArguments bound("index", arguments, {"value"});
  const std::vector<Value>& items = std::get<SequencePointer>(self)->items;
  for (std::size_t i = 0; i < items.size(); ++i)
    if (equal(machine, items[i], bound.require(0))) return make_integer(static_cast<Integer>(i));
  throw value_error(fmt::format("{} is not in {}", representation(machine, bound.require(0)).bytes(), type_name(self)));
}

Value count_in_list(Machine& machine, const Value& self, Arguments& arguments) {
  const BoundArguments bound("count", arguments, {"value"});
  const std::vector<Value>& items = std::get<SequencePointer>(self)->items;
  Integer count = 0;
  for (const Value& item : items) count += equal(machine, item, bound.require(0)) ? 1 : 0;
  return make_integer(count);
}

Value copy_of_list(Machine& machine, const Value& self, Arguments& arguments) {
  const BoundArguments bound("copy", arguments, {});
  const Sequence& sequence = *std::get<SequencePointer>(self);
  machine.spend_items(sequence.items.size());
  return make_sequence(sequence.kind, sequence.items);
}

const Dict& dict_of(const Value& self) { return *std::get<DictPointer>(self); }

Value get_from_dict(Machine& machine, const Value& self, Arguments& arguments) {
  const BoundArguments bound("get", arguments, {"key", "default"});
  const Value& key = bound.require(0);
  require_hashable(machine, key);
  const Value* found = dict_of(self).find(machine, key);
  return found == nullptr ? bound.get(1, None{}) : *found;
}

Value items_of_dict(Machine& machine, const Value& self, Arguments& arguments) {
  const BoundArguments bound("items", arguments, {});
  machine.spend_new(2 * dict_of(self).entries.size());
  std::vector<Value> items;
  for (const auto& [key, value] : dict_of(self).entries) items.push_back(make_tuple({key, value}));
  return make_sequence(SequenceKind::items, std::move(items));
}

Value keys_of_dict(Machine& machine, const Value& self, Arguments& arguments) {
  const BoundArguments bound("keys", arguments, {});
  machine.spend_items(dict_of(self).entries.size());
  std::vector<Value> items;
  for (const auto& [key, value] : dict_of(self).entries) items.push_back(key);
  return make_sequence(SequenceKind::keys, std::move(items));
}

Value values_of_dict(Machine& machine, const Value& self, Arguments& arguments) {
  const BoundArguments bound("values", arguments, {});
  machine.spend_items(dict_of(self).entries.size());
  std::vector<Value> items;
  for (const auto& [key, value] : dict_of(self).entries) items.push_back(value);
  return make_sequence(SequenceKind::values, std::move(items));
}

Value copy_of_dict(Machine& machine, const Value& self, Arguments& arguments) {
  const BoundArguments bound("copy", arguments, {});
  machine.spend_new(dict_of(self).entries.size());
  return make_dict(machine, dict_of(self).entries);
}

}  // namespace

Function::Body list_method(std::string_view name) {
  if (name == "index") return index_in_list;
  if (name == "count") return count_in_list;
  if (name == "copy") return copy_of_list;
  return nullptr;
}

Function::Body dict_method(std::string_view name) {
  if (name == "get") return get_from_dict;
  if (name == "items") return items_of_dict;
  if (name == "keys") return keys_of_dict;
  if (name == "values") return values_of_dict;
  if (name == "copy") return copy_of_dict;
  return nullptr;
}

}  // namespace temper::jinja

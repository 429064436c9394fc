// Filters that go through lists.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "data/jinja/filters.h"
#include "data/jinja/operators.h"

namespace temper::jinja {
namespace {

std::vector<Value> gone_through(Machine& machine, const Value& value) { return iterate(machine, value); }

Value without_case(Meter& meter, Value value) {
  if (!is_text(value)) return value;
  meter.spend_text(text_of(value).size() * 4);
  return make_text(with_case(text_of(value), Casing::lower));
}

Value named_or(const Arguments& arguments, std::string_view name, Value absent) {
  for (const auto& [known, value] : arguments.named)
    if (known == name) return value;
  return absent;
}

Value map_filter(Machine& machine, const Value& value, const Arguments& arguments) {
  if (!truth(value)) return make_generator({});
  std::vector<Value> results;
  if (arguments.positional.empty() && !is_undefined(named_or(arguments, "attribute", make_undefined("")))) {
    for (const auto& [name, argument] : arguments.named)
      if (name != "attribute" && name != "default")
        throw filter_argument_error(fmt::format("Unexpected keyword argument '{}'", name));
    const Value absent = named_or(arguments, "default", None{});
    const AttributeGetter get(machine, named_or(arguments, "attribute", None{}),
                              is_none(absent) ? std::nullopt : std::optional<Value>(absent));
    for (const Value& item : gone_through(machine, value)) results.push_back(get(item));
    return make_generator(std::move(results));
  }
  if (arguments.positional.empty()) throw filter_argument_error("map requires a filter argument");
  const std::string name = string_of(machine, arguments.positional.front()).bytes();
  Arguments rest = arguments;
  rest.positional.erase(rest.positional.begin());
  for (const Value& item : gone_through(machine, value)) results.push_back(machine.filter(name, item, rest));
  return make_generator(std::move(results));
}

template <bool kRejects, bool kOfAttribute>
Value chosen(Machine& machine, const Value& value, const Arguments& arguments) {
  if (!truth(value)) return make_generator({});
  Arguments rest = arguments;
  std::optional<AttributeGetter> get;
  if (kOfAttribute) {
    if (rest.positional.empty()) throw filter_argument_error("Missing parameter for attribute name");
    get.emplace(machine, rest.positional.front());
    rest.positional.erase(rest.positional.begin());
  }
  std::optional<std::string> test;
  if (!rest.positional.empty()) {
    test = string_of(machine, rest.positional.front()).bytes();
    rest.positional.erase(rest.positional.begin());
  }
  std::vector<Value> results;
  for (Value& item : gone_through(machine, value)) {
    const Value looked_at = get ? (*get)(item) : item;
    if ((test ? machine.test(*test, looked_at, rest) : truth(looked_at)) != kRejects)
      results.push_back(std::move(item));
  }
  return make_generator(std::move(results));
}

/// Items with what they are sorted by.
struct Keyed {
  std::vector<Value> keys;  ///< one, or a list, whose equal elements are passed over before any is compared
  Value item;
};

std::vector<Value> sorted_items(Machine& machine, std::vector<Keyed> keyed, bool reverse, bool by_lists = false) {
  std::int64_t rounds = 1;
  for (std::size_t n = keyed.size(); n > 1; n /= 2) ++rounds;
  machine.spend(static_cast<std::int64_t>(keyed.size()) * rounds);
  const auto before = [&](const Keyed& a, const Keyed& b) {
    for (std::size_t i = 0; i < a.keys.size(); ++i)
      if (!by_lists || !equal(machine, a.keys[i], b.keys[i])) return less(machine, a.keys[i], b.keys[i]);
    return false;
  };
  std::stable_sort(keyed.begin(), keyed.end(),
                   [&](const Keyed& a, const Keyed& b) { return reverse ? before(b, a) : before(a, b); });
  std::vector<Value> items;
  for (Keyed& one : keyed) items.push_back(std::move(one.item));
  return items;
}

Value sort_filter(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("sort", arguments, {"reverse", "case_sensitive", "attribute"});
  const bool with_case_kept = bound.flag(1, false);
  const Value attribute = bound.get(2, None{});
  std::vector<AttributeGetter> getters;
  if (is_text(attribute)) {
    std::string_view names = text_of(attribute).bytes();
    while (true) {
      const std::size_t comma = std::min(names.find(','), names.size());
      getters.emplace_back(machine, make_text(names.substr(0, comma)));
      if (comma == names.size()) break;
      names.remove_prefix(comma + 1);
    }
  } else {
    getters.emplace_back(machine, attribute);
  }
  std::vector<Keyed> keyed;
  for (Value& item : gone_through(machine, value)) {
    Keyed one;
    for (const AttributeGetter& get : getters)
      one.keys.push_back(with_case_kept ? get(item) : without_case(machine, get(item)));
    one.item = std::move(item);
    keyed.push_back(std::move(one));
  }
  return make_list(sorted_items(machine, std::move(keyed), bound.flag(0, false), /*by_lists=*/true));
}

Value dictsort_filter(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("dictsort", arguments, {"case_sensitive", "by", "reverse"});
  const std::string by = string_of(machine, bound.get(1, make_text("key"))).bytes();
  if (by != "key" && by != "value") throw filter_argument_error("You can only sort by either \"key\" or \"value\"");
  require_defined(value);
  if (!is_dict(value))
    throw TemplateError(Refusal::operation, "AttributeError",
                        fmt::format("'{}' object has no attribute 'items'", type_name(value)));
  machine.spend_new(3 * std::get<DictPointer>(value)->entries.size());
  std::vector<Keyed> keyed;
  for (const auto& [key, entry] : std::get<DictPointer>(value)->entries) {
    const Value& looked_at = by == "key" ? key : entry;
    keyed.push_back({{bound.flag(0, false) ? looked_at : without_case(machine, looked_at)}, make_tuple({key, entry})});
  }
  return make_list(sorted_items(machine, std::move(keyed), bound.flag(2, false)));
}

Value unique_filter(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("unique", arguments, {"case_sensitive", "attribute"});
  const AttributeGetter get(machine, bound.get(1, None{}));
  Dict seen;
  std::vector<Value> results;
  for (Value& item : gone_through(machine, value)) {
    const Value key = bound.flag(0, false) ? get(item) : without_case(machine, get(item));
    require_hashable(machine, key);
    if (seen.find(machine, key) != nullptr) continue;
    seen.set(machine, key, None{});
    results.push_back(std::move(item));
  }
  return make_generator(std::move(results));
}

Value groupby_filter(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("groupby", arguments, {"attribute", "default", "case_sensitive"});
  const Value absent = bound.get(1, None{});
  const AttributeGetter get(machine, bound.require(0), is_none(absent) ? std::nullopt : std::optional<Value>(absent));
  const auto key_of = [&](const Value& item) {
    return bound.flag(2, false) ? get(item) : without_case(machine, get(item));
  };
  std::vector<Keyed> keyed;
  for (Value& item : gone_through(machine, value)) {
    Value key = key_of(item);
    keyed.push_back({{std::move(key)}, std::move(item)});
  }
  std::vector<Value> groups;
  std::vector<Value> members;
  const auto finish_group = [&] {
    if (members.empty()) return;
    Value first = get(members.front());
    Value group = make_tuple({std::move(first), make_list(std::move(members))});
    std::get<SequencePointer>(group)->is_group = true;
    groups.push_back(std::move(group));
    members.clear();
  };
  std::optional<Value> current;
  for (Value& item : sorted_items(machine, std::move(keyed), false)) {
    const Value key = key_of(item);
    if (current && !equal(machine, *current, key)) finish_group();
    current = key;
    members.push_back(std::move(item));
  }
  finish_group();
  return make_list(std::move(groups));
}

template <bool kGreatest>
Value extreme_filter(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound(kGreatest ? "max" : "min", arguments, {"case_sensitive", "attribute"});
  const AttributeGetter get(machine, bound.get(1, None{}));
  std::optional<Value> best;
  Value best_key = None{};
  for (const Value& item : gone_through(machine, value)) {
    Value key = bound.flag(0, false) ? get(item) : without_case(machine, get(item));
    if (best && !(kGreatest ? compares(machine, ">", key, best_key) : less(machine, key, best_key))) continue;
    best = item;
    best_key = std::move(key);
  }
  return best ? *best : make_undefined("No aggregated item, sequence was empty.");
}

Value first_filter(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("first", arguments, {});
  if (is_sequence(value) && std::get<SequencePointer>(value)->is_iterator()) {
    Sequence& sequence = *std::get<SequencePointer>(value);
    if (sequence.taken < sequence.items.size()) return sequence.items[sequence.taken++];
  } else {
    const std::vector<Value> items = gone_through(machine, value);
    if (!items.empty()) return items.front();
  }
  return make_undefined("No first item, sequence was empty.");
}

void require_reversible(const Value& value) {
  if (is_sequence(value) && std::get<SequencePointer>(value)->is_iterator())
    throw type_error(fmt::format("'{}' object is not reversible", type_name(value)));
  if (!is_iterable(value)) throw type_error(fmt::format("'{}' object is not reversible", type_name(value)));
}

Value last_filter(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("last", arguments, {});
  require_reversible(value);
  const std::vector<Value> items = gone_through(machine, value);
  return items.empty() ? make_undefined("No last item, sequence was empty.") : items.back();
}

Value reverse_filter(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("reverse", arguments, {});
  if (!is_iterable(value)) throw filter_argument_error("argument must be iterable");
  const bool once = is_sequence(value) && std::get<SequencePointer>(value)->is_iterator();
  std::vector<Value> items = gone_through(machine, value);
  std::reverse(items.begin(), items.end());
  if (is_text(value)) {
    Text text;
    for (const Value& item : items) text.append(text_of(item));
    return make_text(std::move(text));
  }
  return make_sequence(once ? SequenceKind::list : SequenceKind::reversed, std::move(items));
}

Value list_filter(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("list", arguments, {});
  return make_list(gone_through(machine, value));
}

Value items_filter(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("items", arguments, {});
  if (is_undefined(value)) return make_generator({});
  if (!is_dict(value)) throw type_error("Can only get item pairs from a mapping.");
  machine.spend_new(2 * std::get<DictPointer>(value)->entries.size());
  std::vector<Value> items;
  for (const auto& [key, entry] : std::get<DictPointer>(value)->entries) items.push_back(make_tuple({key, entry}));
  return make_generator(std::move(items));
}

Value join_filter(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("join", arguments, {"d", "attribute"});
  const Text separator = string_of(machine, bound.get(0, make_text("")));
  const AttributeGetter get(machine, bound.get(1, None{}));
  Text text;
  bool first = true;
  for (const Value& item : gone_through(machine, value)) {
    if (!first) text.append(separator);
    machine.spend_text(first ? 0 : separator.size());
    first = false;
    text.append(string_of(machine, get(item)));
  }
  return make_text(std::move(text));
}

Value sum_filter(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("sum", arguments, {"attribute", "start"});
  const AttributeGetter get(machine, bound.get(0, None{}));
  Value sum = bound.get(1, make_integer(0));
  if (is_text(sum)) throw type_error("sum() can't sum strings [use ''.join(seq) instead]");
  for (const Value& item : gone_through(machine, value)) sum = arithmetic(machine, "+", sum, get(item));
  return sum;
}

std::int64_t count_argument(const BoundArguments& bound, std::string_view what) {
  bound.require(0);
  const std::int64_t count = bound.integer(0, 0);
  if (count > 1'000'000) throw limit_error(fmt::format("{} asks for more than a million elements", what));
  return count;
}

Value batch_filter(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("batch", arguments, {"linecount", "fill_with"});
  const std::int64_t count = count_argument(bound, "batch");
  const Value filler = bound.get(1, None{});
  std::vector<Value> batches;
  std::vector<Value> batch;
  for (Value& item : gone_through(machine, value)) {
    if (static_cast<std::int64_t>(batch.size()) == count) batches.push_back(make_list(std::exchange(batch, {})));
    batch.push_back(std::move(item));
  }
  if (!batch.empty()) {
    if (!is_none(filler) && static_cast<std::int64_t>(batch.size()) < count) {
      machine.spend_items(static_cast<std::size_t>(count));
      batch.resize(static_cast<std::size_t>(count), filler);
    }
    batches.push_back(make_list(std::move(batch)));
  }
  return make_generator(std::move(batches));
}

Value slice_filter(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("slice", arguments, {"slices", "fill_with"});
  const std::int64_t slices = count_argument(bound, "slice");
  if (slices == 0) throw TemplateError(Refusal::operation, "ZeroDivisionError", "integer division or modulo by zero");
  const Value filler = bound.get(1, None{});
  const std::vector<Value> items = gone_through(machine, value);
  const auto length = static_cast<std::int64_t>(items.size());
  std::vector<Value> parts;
  std::int64_t begin = 0;
  machine.spend_new(2 * static_cast<std::size_t>(std::max<std::int64_t>(slices, 0)));
  for (std::int64_t slice = 0; slice < slices; ++slice) {
    const std::int64_t end = begin + length / slices + (slice < length % slices ? 1 : 0);
    std::vector<Value> part(items.begin() + begin, items.begin() + end);
    if (!is_none(filler) && slice >= length % slices) part.push_back(filler);
    parts.push_back(make_list(std::move(part)));
    begin = end;
  }
  return make_generator(std::move(parts));
}

}  // namespace

AttributeGetter::AttributeGetter(Machine& machine, const Value& attribute, std::optional<Value> absent)
    : machine_(machine), absent_(std::move(absent)) {
  if (is_none(attribute)) return;
  if (!is_text(attribute)) {
    parts_.push_back(attribute);
    return;
  }
  std::string_view path = text_of(attribute).bytes();
  machine.spend_new(static_cast<std::size_t>(std::count(path.begin(), path.end(), '.')) + path.size() / 64);
  while (true) {
    const std::size_t dot = std::min(path.find('.'), path.size());
    const std::string part(path.substr(0, dot));
    const bool number = !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == std::string::npos;
    parts_.push_back(number ? make_integer(std::stol(part)) : make_text(part));
    if (dot == path.size()) return;
    path.remove_prefix(dot + 1);
  }
}

Value AttributeGetter::operator()(const Value& item) const {
  Value value = item;
  for (const Value& part : parts_) {
    value = machine_.item(value, part);
    if (absent_ && is_undefined(value)) value = *absent_;
  }
  return value;
}

Filter sequence_filter(std::string_view name) {
  static constexpr std::pair<std::string_view, Filter> kFilters[] = {
      {"map", map_filter},
      {"select", chosen<false, false>},
      {"reject", chosen<true, false>},
      {"selectattr", chosen<false, true>},
      {"rejectattr", chosen<true, true>},
      {"sort", sort_filter},
      {"dictsort", dictsort_filter},
      {"unique", unique_filter},
      {"groupby", groupby_filter},
      {"max", extreme_filter<true>},
      {"min", extreme_filter<false>},
      {"first", first_filter},
      {"last", last_filter},
      {"reverse", reverse_filter},
      {"list", list_filter},
      {"items", items_filter},
      {"join", join_filter},
      {"sum", sum_filter},
      {"batch", batch_filter},
      {"slice", slice_filter},
  };
  for (const auto& [known, filter] : kFilters)
    if (known == name) return filter;
  return nullptr;
}

}  // namespace temper::jinja

#include "data/jinja/objects.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <tuple>

#include "data/jinja/date_text.h"

namespace temper::jinja {
namespace {

/// Takes an argument out of those that were given by name.
std::optional<Value> take_named_argument(Meter& meter, Arguments& arguments, std::string_view name) {
  meter.spend_items(arguments.named.size());
  const auto found = std::find_if(arguments.named.begin(), arguments.named.end(),
                                  [&](const auto& argument) { return argument.first == name; });
  if (found == arguments.named.end()) return std::nullopt;
  Value value = std::move(found->second);
  arguments.named.erase(found);
  return value;
}

/// Leaves a call again, however it ends.
class CallLevel {
 public:
  explicit CallLevel(Machine& machine) : machine_(machine) { machine_.enter_call(); }
  ~CallLevel() { machine_.leave_call(); }
  CallLevel(const CallLevel&) = delete;
  CallLevel& operator=(const CallLevel&) = delete;

 private:
  Machine& machine_;
};

}  // namespace

// ---- macros

std::string Macro::written() const {
  return fmt::format("<Macro {}>", representation(Text(statement_.signature.name)).bytes());
}

bool Macro::attribute(std::string_view name, Value& value) {
  if (name == "name") {
    value = make_text(statement_.signature.name);
  } else if (name == "arguments") {
    std::vector<Value> names;
    for (const std::string& parameter : statement_.signature.parameters) names.push_back(make_text(parameter));
    value = make_tuple(std::move(names));
  } else if (name == "catch_kwargs") {
    value = statement_.signature.takes_more_named;
  } else if (name == "catch_varargs") {
    value = statement_.signature.takes_more;
  } else if (name == "caller") {
    value = statement_.signature.takes_caller;
  } else {
    return false;
  }
  return true;
}

Value Macro::call(Machine& machine, Arguments arguments) {
  const CallLevel level(machine);
  const Signature& signature = statement_.signature;
  const std::size_t parameters = signature.parameters.size();
  std::vector<std::pair<std::string, Value>> variables;
  std::vector<std::size_t> missing;
  for (std::size_t i = 0; i < parameters; ++i) {
    const std::string& name = signature.parameters[i];
    if (i < arguments.positional.size()) {
      variables.emplace_back(name, arguments.positional[i]);
    } else if (std::optional<Value> given = take_named_argument(machine, arguments, name)) {
      variables.emplace_back(name, std::move(*given));
    } else {
      missing.push_back(i);
    }
  }
  if (signature.takes_caller) {
    std::optional<Value> caller = take_named_argument(machine, arguments, "caller");
    variables.emplace_back("caller", caller ? std::move(*caller) : make_undefined("No caller defined"));
  }
  if (signature.takes_more_named) {
    std::vector<std::pair<Value, Value>> entries;
    for (auto& [name, value] : arguments.named) entries.emplace_back(make_text(name), std::move(value));
    variables.emplace_back("kwargs", make_dict(machine, std::move(entries)));
  } else if (!arguments.named.empty()) {
    const std::string& name = arguments.named.front().first;
    if (std::any_of(arguments.named.begin(), arguments.named.end(),
                    [](const auto& argument) { return argument.first == "caller"; }))
      throw type_error(
          fmt::format("macro '{}' was invoked with two values for the special caller argument. This is "
                      "most likely a bug.",
                      signature.name));
    throw type_error(fmt::format("macro '{}' takes no keyword argument '{}'", signature.name, name));
  }
  if (signature.takes_more) {
    std::vector<Value> more;
    for (std::size_t i = parameters; i < arguments.positional.size(); ++i) more.push_back(arguments.positional[i]);
    variables.emplace_back("varargs", make_tuple(std::move(more)));
  } else if (arguments.positional.size() > parameters) {
    throw type_error(fmt::format("macro '{}' takes not more than {} argument(s)", signature.name, parameters));
  }
  const std::size_t without_default = parameters - signature.defaults.size();
  // A default may name the parameters before it.
  Scope known(&scope_);
  machine.spend_new(missing.empty() ? 0 : variables.size());
  if (!missing.empty()) known.set_all(variables);
  for (const std::size_t i : missing) {
    const std::string& name = signature.parameters[i];
    Value value = i < without_default ? make_undefined(fmt::format("parameter '{}' was not provided", name))
                                      : machine.evaluate(*signature.defaults[i - without_default], known);
    known.set(name, value);
    variables.emplace_back(name, std::move(value));
  }
  return make_text(machine.text_of_body(statement_.body, scope_, std::move(variables)));
}

// ---- loops

std::string Loop::written() const { return fmt::format("<LoopContext {}/{}>", turn_ + 1, items_.size()); }

void Loop::clear() {
  items_.clear();
  last_.clear();
}

bool Loop::changed(Meter& meter, const std::vector<Value>& values) {
  const bool same = has_last_ && std::equal(values.begin(), values.end(), last_.begin(), last_.end(),
                                            [&](const Value& a, const Value& b) { return equal(meter, a, b); });
  if (same) return false;
  meter.spend_items(values.size());
  has_last_ = true;
  last_ = values;
  return true;
}

Value Loop::call(Machine& machine, Arguments arguments) {
  if (!statement_.recursive) throw type_error("The loop must have the 'recursive' marker to be called recursively.");
  if (arguments.positional.size() != 1) throw type_error("a loop is called with what it goes through");
  const CallLevel level(machine);
  return make_text(machine.text_of_loop(statement_, arguments.positional.front(), scope_, depth_ + 1));
}

bool Loop::attribute(std::string_view name, Value& value) {
  const auto index = static_cast<Integer>(turn_);
  const auto length = static_cast<Integer>(items_.size());
  if (name == "index") {
    value = make_integer(index + 1);
  } else if (name == "index0") {
    value = make_integer(index);
  } else if (name == "revindex") {
    value = make_integer(length - index);
  } else if (name == "revindex0") {
    value = make_integer(length - index - 1);
  } else if (name == "first") {
    value = index == 0;
  } else if (name == "last") {
    value = index + 1 == length;
  } else if (name == "length") {
    value = make_integer(length);
  } else if (name == "depth") {
    value = make_integer(depth_);
  } else if (name == "depth0") {
    value = make_integer(depth_ - 1);
  } else if (name == "previtem") {
    value = turn_ == 0 ? make_undefined("there is no previous item") : items_[turn_ - 1];
  } else if (name == "nextitem") {
    value = turn_ + 1 >= items_.size() ? make_undefined("there is no next item") : items_[turn_ + 1];
  } else {
    return false;
  }
  return true;
}

// ---- namespaces

void Namespace::set(const std::string& name, const Value& value) {
  if (name.starts_with('_'))
    throw TemplateError(Refusal::not_template, "SecurityError",
                        fmt::format("Chat templates cannot store underscore-prefixed attributes on a namespace, but "
                                    "got '{}'. Please rename the attribute.",
                                    name));
  entries_.insert_or_assign(name, value);
}

bool Namespace::attribute(std::string_view name, Value& value) {
  const auto found = entries_.find(name);
  if (found == entries_.end()) return false;
  value = found->second;
  return true;
}

// ---- arguments

BoundArguments::BoundArguments(std::string_view function, const Arguments& arguments,
                               std::vector<std::string_view> parameters)
    : function_(function), parameters_(std::move(parameters)), values_(parameters_.size(), nullptr) {
  if (arguments.positional.size() > parameters_.size())
    throw type_error(fmt::format("{}() takes at most {} arguments ({} given)", function_, parameters_.size(),
                                 arguments.positional.size()));
  for (std::size_t i = 0; i < arguments.positional.size(); ++i) values_[i] = &arguments.positional[i];
  for (const auto& [name, value] : arguments.named) {
    const auto found = std::find(parameters_.begin(), parameters_.end(), name);
    if (found == parameters_.end())
      throw type_error(fmt::format("{}() got an unexpected keyword argument '{}'", function_, name));
    const Value*& place = values_[static_cast<std::size_t>(found - parameters_.begin())];
    if (place != nullptr) throw type_error(fmt::format("{}() got multiple values for argument '{}'", function_, name));
    place = &value;
  }
}

const Value& BoundArguments::require(std::size_t parameter) const {
  if (values_[parameter] == nullptr)
    throw type_error(
        fmt::format("{}() missing 1 required positional argument: '{}'", function_, parameters_[parameter]));
  return *values_[parameter];
}

std::int64_t BoundArguments::integer(std::size_t parameter, std::int64_t absent) const {
  if (values_[parameter] == nullptr) return absent;
  const Value& value = *values_[parameter];
  require_defined(value);
  if (!is_integral(value))
    throw type_error(fmt::format("'{}' object cannot be interpreted as an integer", jinja::type_name(value)));
  constexpr Integer kFar = Integer{1} << 60;
  return static_cast<std::int64_t>(std::clamp<Integer>(integral_of(value), -kFar, kFar));
}

// ---- the environment's functions

namespace {

/// A value with a place that moves on when it is asked.
class Cycler final : public Object {
 public:
  explicit Cycler(std::vector<Value> items) : items_(std::move(items)) {
    for (const Value& item : items_) depth_ = std::max(depth_, depth_around(item));
  }
  [[nodiscard]] std::string type_name() const override { return "Cycler"; }
  bool attribute(std::string_view name, Value& value) override {
    if (name != "current") return false;
    value = items_[place_];
    return true;
  }
  Value next() {
    const std::size_t place = std::exchange(place_, (place_ + 1) % items_.size());
    return items_[place];
  }
  void reset() { place_ = 0; }
  [[nodiscard]] int depth() const override { return depth_; }

 private:
  std::vector<Value> items_;
  int depth_ = 1;
  std::size_t place_ = 0;
};

/// Gives nothing when it is first called, and its text after that.
class Joiner final : public Object {
 public:
  explicit Joiner(Value separator) : separator_(std::move(separator)), depth_(depth_around(separator_)) {}
  [[nodiscard]] std::string type_name() const override { return "Joiner"; }
  [[nodiscard]] bool callable() const override { return true; }
  Value call(Machine& /*machine*/, Arguments /*arguments*/) override {
    return std::exchange(used_, true) ? separator_ : make_text("");
  }
  [[nodiscard]] int depth() const override { return depth_; }

 private:
  Value separator_;
  int depth_;
  bool used_ = false;
};

Value make_range(Machine& machine, const Value& /*self*/, Arguments& arguments) {
  const std::size_t count = arguments.positional.size();
  if (count < 1 || count > 3 || !arguments.named.empty())
    throw type_error(fmt::format("range expected at least 1 argument, got {}", count));
  Integer bounds[3] = {0, 0, 1};
  for (std::size_t i = 0; i < count; ++i) {
    require_defined(arguments.positional[i]);
    if (!is_integral(arguments.positional[i]))
      throw type_error(
          fmt::format("'{}' object cannot be interpreted as an integer", type_name(arguments.positional[i])));
    bounds[count == 1 ? 1 : i] = integral_of(arguments.positional[i]);
  }
  const auto [begin, end, step] = std::tie(bounds[0], bounds[1], bounds[2]);
  if (step == 0) throw value_error("range() arg 3 must not be zero");
  // Differences of integers of 127 bits may have one more, which unsigned ones have.
  __extension__ using Distance = unsigned __int128;
  const auto distance = [](Integer low, Integer high) {
    return static_cast<Distance>(high) - static_cast<Distance>(low);
  };
  const bool is_empty = step > 0 ? begin >= end : begin <= end;
  const Distance span = step > 0 ? distance(begin, end) : distance(end, begin);
  const Distance stride = step > 0 ? distance(0, step) : distance(step, 0);
  const Distance length = is_empty ? 0 : (span - 1) / stride + 1;
  constexpr int kMostRange = 100'000;
  if (length > kMostRange)
    throw TemplateError(
        Refusal::operation, "OverflowError",
        fmt::format("Range too big. The sandbox blocks ranges larger than MAX_RANGE ({}).", kMostRange));
  machine.spend_items(static_cast<std::size_t>(length));
  std::vector<Value> items;
  for (Distance i = 0; i < length; ++i)
    items.push_back(make_integer(static_cast<Integer>(static_cast<Distance>(begin) + i * static_cast<Distance>(step))));
  Value range = make_sequence(SequenceKind::range, std::move(items));
  std::string& written = std::get<SequencePointer>(range)->written;
  written = fmt::format("range({}, {}", integer_digits(begin), integer_digits(end));
  written += step == 1 ? ")" : fmt::format(", {})", integer_digits(step));
  return range;
}

/// The entries that dict() and namespace() are given.
std::vector<std::pair<Value, Value>> entries_of(Machine& machine, std::string_view function, Arguments& arguments) {
  std::vector<std::pair<Value, Value>> entries;
  if (arguments.positional.size() > 1)
    throw type_error(fmt::format("{} expected at most 1 argument, got {}", function, arguments.positional.size()));
  if (!arguments.positional.empty()) {
    const Value& from = arguments.positional.front();
    require_defined(from);
    if (is_dict(from)) {
      machine.spend_new(std::get<DictPointer>(from)->entries.size());
      entries = std::get<DictPointer>(from)->entries;
    } else {
      for (const Value& pair : iterate(machine, from)) {
        const std::vector<Value> parts = iterate(machine, pair);
        if (parts.size() != 2)
          throw value_error(fmt::format("dictionary update sequence element #{} has length {}; 2 is required",
                                        entries.size(), parts.size()));
        entries.emplace_back(parts[0], parts[1]);
      }
    }
  }
  for (auto& [name, value] : arguments.named) entries.emplace_back(make_text(name), std::move(value));
  return entries;
}

Value make_dict_of(Machine& machine, const Value& /*self*/, Arguments& arguments) {
  return make_dict(machine, entries_of(machine, "dict", arguments));
}

Value make_namespace(Machine& machine, const Value& /*self*/, Arguments& arguments) {
  const auto space = machine.keep(std::make_shared<Namespace>());
  for (const auto& [name, value] : entries_of(machine, "dict", arguments))
    space->set(string_of(machine, name).bytes(), value);
  return space;
}

Value raise(Machine& machine, const Value& /*self*/, Arguments& arguments) {
  const BoundArguments bound("raise_exception", arguments, {"message"});
  throw TemplateError(Refusal::raised, "TemplateError", string_of(machine, bound.require(0)).bytes());
}

Value write_date(Machine& machine, const Value& /*self*/, Arguments& arguments) {
  const BoundArguments bound("strftime_now", arguments, {"format"});
  if (!is_text(bound.require(0)))
    throw type_error(fmt::format("strftime() argument 1 must be str, not {}", type_name(bound.require(0))));
  machine.spend_text(32 * text_of(bound.require(0)).size());
  return make_text(date_text(text_of(bound.require(0)), machine.now()));
}

Value make_cycler(Machine& machine, const Value& /*self*/, Arguments& arguments) {
  if (arguments.positional.empty())
    throw TemplateError(Refusal::not_template, "RuntimeError", "at least one item has to be provided");
  return machine.keep(std::make_shared<Cycler>(std::move(arguments.positional)));
}

Value make_joiner(Machine& machine, const Value& /*self*/, Arguments& arguments) {
  const BoundArguments bound("joiner", arguments, {"sep"});
  return machine.keep(std::make_shared<Joiner>(bound.get(0, make_text(", "))));
}

Value lorem_ipsum(Machine& /*machine*/, const Value& /*self*/, Arguments& /*arguments*/) {
  throw TemplateError(Refusal::not_template, "TemplateRuntimeError",
                      "lipsum() draws a random text; a chat template must render the same text every time");
}

Value cycler_next(Machine& /*machine*/, const Value& self, Arguments& /*arguments*/) {
  return std::dynamic_pointer_cast<Cycler>(std::get<ObjectPointer>(self))->next();
}

Value cycler_reset(Machine& /*machine*/, const Value& self, Arguments& /*arguments*/) {
  std::dynamic_pointer_cast<Cycler>(std::get<ObjectPointer>(self))->reset();
  return None{};
}

Value loop_changed(Machine& machine, const Value& self, Arguments& arguments) {
  return std::dynamic_pointer_cast<Loop>(std::get<ObjectPointer>(self))->changed(machine, arguments.positional);
}

Value loop_cycle(Machine& machine, const Value& self, Arguments& arguments) {
  if (arguments.positional.empty()) throw type_error("no items for cycling given");
  const Value index = machine.attribute(self, "index0");
  return arguments.positional[static_cast<std::size_t>(integral_of(index)) % arguments.positional.size()];
}

}  // namespace

Function::Body object_method(const Object& object, std::string_view name) {
  if (dynamic_cast<const Cycler*>(&object) != nullptr) {
    if (name == "next") return cycler_next;
    if (name == "reset") return cycler_reset;
  }
  if (dynamic_cast<const Loop*>(&object) != nullptr) {
    if (name == "changed") return loop_changed;
    if (name == "cycle") return loop_cycle;
  }
  return nullptr;
}

std::vector<std::pair<std::string, Value>> global_variables() {
  std::vector<std::pair<std::string, Value>> variables;
  const auto add = [&](const char* name, Function::Body body) {
    variables.emplace_back(name, std::make_shared<Function>(name, body, None{}));
  };
  add("range", make_range);
  add("dict", make_dict_of);
  add("namespace", make_namespace);
  add("raise_exception", raise);
  add("strftime_now", write_date);
  add("cycler", make_cycler);
  add("joiner", make_joiner);
  add("lipsum", lorem_ipsum);
  return variables;
}

}  // namespace temper::jinja

// Statements. Expressions are in expression_machine.cpp, attributes and subscripts in attributes.cpp.
#include "data/jinja/machine.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/jinja/objects.h"
#include "data/jinja/operators.h"

namespace temper::jinja {

const Value* Scope::find_here(std::string_view name) const {
  const auto found = variables_.find(name);
  return found == variables_.end() ? nullptr : &found->second;
}

const Value* Scope::find(Meter& meter, std::string_view name) const {
  constexpr int kScopesPerStep = 8;
  int passed = 0;
  for (const Scope* scope = this; scope != nullptr; scope = scope->outer_) {
    if (const Value* found = scope->find_here(name)) return found;
    if (++passed % kScopesPerStep == 0) meter.spend(1);
  }
  return nullptr;
}

void Scope::set(std::string_view name, Value value) {
  if (const auto known = variables_.find(name); known != variables_.end()) {
    known->second = std::move(value);
  } else {
    variables_.emplace(name, std::move(value));
  }
}

void Scope::set_all(std::vector<std::pair<std::string, Value>> variables) {
  for (auto& [name, value] : variables) variables_.emplace(name, std::move(value));
}

/// Counts what is within each other.
class Machine::Level {
 public:
  explicit Level(Machine& machine) : machine_(machine) {
    if (++machine_.depth_ > machine_.limits_.depth) {
      --machine_.depth_;
      throw limit_error(fmt::format("the template goes more than {} levels deep", machine_.limits_.depth));
    }
  }
  ~Level() { --machine_.depth_; }
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;

 private:
  Machine& machine_;
};

/// Lets go of the scopes that were made since, unless something was made that may look into them: a macro, or a loop.
class Machine::ScopeMark {
 public:
  explicit ScopeMark(Machine& machine)
      : machine_(machine), scopes_(machine.scopes_.size()), kept_(machine.kept_.size()) {}
  ~ScopeMark() {
    if (machine_.kept_.size() != kept_) return;
    while (machine_.scopes_.size() > scopes_) machine_.scopes_.pop_back();
  }
  ScopeMark(const ScopeMark&) = delete;
  ScopeMark& operator=(const ScopeMark&) = delete;

 private:
  Machine& machine_;
  std::size_t scopes_;
  std::size_t kept_;
};

Machine::~Machine() {
  for (const ObjectPointer& object : kept_) object->clear();
  for (Scope& scope : scopes_) scope.clear();
}

void Machine::enter_call() {
  if (++calls_ > limits_.calls) {
    --calls_;
    throw limit_error(fmt::format("macros call each other more than {} levels deep", limits_.calls));
  }
}

Scope& Machine::new_scope(Scope* outer) {
  spend(1);
  return scopes_.emplace_back(outer);
}

Text Machine::render(const Body& body, std::vector<std::pair<std::string, Value>> variables) {
  Scope& globals = new_scope(nullptr);
  globals.set_all(global_variables());
  Scope& context = new_scope(&globals);
  spend_new(variables.size());
  context.set_all(std::move(variables));
  Text text;
  output_ = &text;
  root_output_ = &text;
  try {
    run(body, new_scope(&context));
  } catch (TemplateError& error) {
    if (error.line() == 0) error.set_line(line_);
    throw;
  }
  return text;
}

void Machine::write(const Text& text) {
  spend_text(text.size());
  output_->append(text);
}

Text Machine::text_of_body(const Body& body, Scope& outer, std::vector<std::pair<std::string, Value>> variables) {
  const ScopeMark mark(*this);
  Scope& scope = new_scope(&outer);
  scope.set_all(std::move(variables));
  Text text;
  Text* const before = std::exchange(output_, &text);
  try {
    run(body, scope);
  } catch (...) {
    output_ = before;
    throw;
  }
  output_ = before;
  return text;
}

Flow Machine::run(const Body& body, Scope& scope) {
  for (const StatementPointer& statement : body) {
    const Flow flow = run(*statement, scope);
    if (flow != Flow::on) return flow;
  }
  return Flow::on;
}

Flow Machine::run(const Statement& statement, Scope& scope) {
  const Level level(*this);
  spend(1);
  line_ = statement.line;
  switch (statement.kind) {
    case StatementKind::output:
      if (statement.expression == nullptr) {
        write(Text(statement.data));
      } else {
        write(string_of(*this, evaluate(*statement.expression, scope)));
      }
      return Flow::on;
    case StatementKind::conditional:
      for (const auto& [condition, body] : statement.branches)
        if (truth(evaluate(*condition, scope))) return run(body, scope);
      return run(statement.otherwise, scope);
    case StatementKind::loop: {
      const Value over = evaluate(*statement.expression, scope);
      return run_loop(statement, over, scope, 1);
    }
    case StatementKind::assignment:
      assign(*statement.target, evaluate(*statement.expression, scope), scope);
      return Flow::on;
    case StatementKind::block_assignment: {
      Value value = make_text(text_of_body(statement.body, scope, {}));
      if (statement.expression != nullptr) {
        Scope& around = new_scope(&scope);
        around.set("", value);
        value = evaluate(*statement.expression, around);
      }
      assign(*statement.target, value, scope);
      return Flow::on;
    }
    case StatementKind::macro:
      scope.set(statement.signature.name, keep(std::make_shared<Macro>(statement, scope)));
      return Flow::on;
    case StatementKind::call:
      run_call(statement, scope);
      return Flow::on;
    case StatementKind::filter: {
      const Value inside = make_text(text_of_body(statement.body, scope, {}));
      Scope& around = new_scope(&scope);
      around.set("", inside);
      write(string_of(*this, evaluate(*statement.expression, around)));
      return Flow::on;
    }
    case StatementKind::with: {
      Scope& inner = new_scope(&scope);
      for (std::size_t i = 0; i < statement.values.size(); ++i)
        assign(*statement.branches[i].first, evaluate(*statement.values[i], scope), inner);
      return run(statement.body, inner);
    }
    case StatementKind::scope:
      if (statement.expression != nullptr) evaluate(*statement.expression, scope);
      return run(statement.body, new_scope(&scope));
    case StatementKind::generation:
      run_generation(statement, scope);
      return Flow::on;
    case StatementKind::stop_loop:
      return Flow::stop_loop;
    case StatementKind::next_turn:
      return Flow::next_turn;
    case StatementKind::foreign:
      evaluate(*statement.expression, scope);
      throw type_error("no loader for this environment specified");
  }
  return Flow::on;
}

Flow Machine::run_loop(const Statement& statement, const Value& over, Scope& scope, int depth) {
  std::vector<Value> items = iterate(*this, over);
  if (statement.condition != nullptr) {
    std::vector<Value> chosen;
    for (Value& item : items) {
      const ScopeMark mark(*this);
      Scope& inner = new_scope(&scope);
      assign(*statement.target, item, inner);
      if (truth(evaluate(*statement.condition, inner))) chosen.push_back(std::move(item));
    }
    items = std::move(chosen);
  }
  if (items.empty()) return run(statement.otherwise, new_scope(&scope));
  const auto loop = std::make_shared<Loop>(statement, scope, std::move(items), depth);
  const std::size_t place = kept_.size();
  keep(loop);
  for (std::size_t turn = 0; turn < loop->items().size(); ++turn) {
    const ScopeMark mark(*this);
    loop->set_turn(turn);
    Scope& inner = new_scope(&scope);
    inner.set("loop", loop);
    assign(*statement.target, loop->items()[turn], inner);
    const Flow flow = run(statement.body, inner);
    if (flow == Flow::stop_loop) break;
  }
  // Here and in the list alone: nobody has taken the loop along.
  if (loop.use_count() == 2 && kept_.size() == place + 1) kept_.pop_back();
  return Flow::on;
}

Text Machine::text_of_loop(const Statement& statement, const Value& over, Scope& scope, int depth) {
  Text text;
  Text* const before = std::exchange(output_, &text);
  try {
    run_loop(statement, over, scope, depth);
  } catch (...) {
    output_ = before;
    throw;
  }
  output_ = before;
  return text;
}

void Machine::run_call(const Statement& statement, Scope& scope) {
  const Expression& call_expression = *statement.expression;
  const Value function = evaluate(*call_expression.parts.front(), scope);
  Arguments arguments = arguments_of(call_expression, scope);
  arguments.named.emplace_back("caller", keep(std::make_shared<Macro>(statement, scope)));
  write(string_of(*this, call(function, std::move(arguments))));
}

void Machine::run_generation(const Statement& statement, Scope& scope) {
  // As transformers' tracker does: the place is counted in what has been written for good.
  const Text inside = text_of_body(statement.body, scope, {});
  const std::size_t begin = root_output_->size();
  generations_.emplace_back(begin, begin + inside.size());
  write(inside);
}

void Machine::assign(const Expression& target, const Value& value, Scope& scope) {
  switch (target.kind) {
    case ExpressionKind::name:
      scope.set(target.text, value);
      return;
    case ExpressionKind::namespace_target: {
      const Value* found = scope.find(*this, target.text);
      auto* object = found == nullptr ? nullptr : std::get_if<ObjectPointer>(found);
      const auto space = object == nullptr ? nullptr : std::dynamic_pointer_cast<Namespace>(*object);
      if (space == nullptr)
        throw TemplateError(Refusal::not_template, "TemplateRuntimeError",
                            "cannot assign attribute on non-namespace object");
      space->set(target.attribute, value);
      return;
    }
    default: {
      const std::vector<Value> items = iterate(*this, value);
      if (items.size() > target.parts.size())
        throw value_error(fmt::format("too many values to unpack (expected {})", target.parts.size()));
      if (items.size() < target.parts.size())
        throw value_error(
            fmt::format("not enough values to unpack (expected {}, got {})", target.parts.size(), items.size()));
      for (std::size_t i = 0; i < items.size(); ++i) assign(*target.parts[i], items[i], scope);
    }
  }
}

Value Machine::call(const Value& function, Arguments arguments) {
  const Level level(*this);
  spend(1);
  require_defined(function);
  if (const auto* object = std::get_if<ObjectPointer>(&function)) {
    const ObjectPointer held = *object;
    return held->call(*this, std::move(arguments));
  }
  throw type_error(fmt::format("'{}' object is not callable", type_name(function)));
}

// ---- expressions, which count as levels too

Value Machine::evaluate(const Expression& expression, Scope& scope) {
  const Level level(*this);
  spend(1);
  line_ = expression.line;
  const auto part = [&](std::size_t i) { return evaluate(*expression.parts[i], scope); };
  switch (expression.kind) {
    case ExpressionKind::constant:
      return expression.constant;
    case ExpressionKind::name: {
      const Value* value = scope.find(*this, expression.text);
      if (value != nullptr) return *value;
      return make_undefined(fmt::format("{} is undefined", representation(Text(expression.text)).bytes()));
    }
    case ExpressionKind::tuple:
    case ExpressionKind::list: {
      std::vector<Value> items;
      for (std::size_t i = 0; i < expression.parts.size(); ++i) items.push_back(part(i));
      return expression.kind == ExpressionKind::list ? make_list(std::move(items)) : make_tuple(std::move(items));
    }
    case ExpressionKind::dict: {
      std::vector<std::pair<Value, Value>> entries;
      for (std::size_t i = 0; i + 1 < expression.parts.size(); i += 2) {
        Value key = part(i);
        entries.emplace_back(std::move(key), part(i + 1));
      }
      return make_dict(*this, std::move(entries));
    }
    case ExpressionKind::attribute:
      return attribute(part(0), expression.text);
    case ExpressionKind::item: {
      const Value value = part(0);
      if (expression.parts[1]->kind == ExpressionKind::slice) return evaluate_slice(*expression.parts[1], value, scope);
      return item(value, part(1));
    }
    case ExpressionKind::slice:
      throw type_error("unhashable type: 'slice'");
    case ExpressionKind::call:
      return evaluate_call(expression, scope);
    case ExpressionKind::filter: {
      Value value = None{};
      if (expression.parts.front() != nullptr) {
        value = part(0);
      } else if (const Value* inside = scope.find(*this, "")) {
        value = *inside;
      }
      return filter(expression.text, value, arguments_of(expression, scope));
    }
    case ExpressionKind::test: {
      const Value value = part(0);
      return test(expression.text, value, arguments_of(expression, scope));
    }
    case ExpressionKind::conditional:
      if (truth(part(0))) return part(1);
      if (expression.parts[2] != nullptr) return part(2);
      return make_undefined("the inline if-expression evaluated to false and no else section was defined.");
    case ExpressionKind::logical_not:
      return !truth(part(0));
    case ExpressionKind::logical_and: {
      Value left = part(0);
      return truth(left) ? part(1) : left;
    }
    case ExpressionKind::logical_or: {
      Value left = part(0);
      return truth(left) ? left : part(1);
    }
    case ExpressionKind::negate:
      return negated(part(0), true);
    case ExpressionKind::plus:
      return negated(part(0), false);
    case ExpressionKind::arithmetic: {
      const Value left = part(0);
      return arithmetic(*this, expression.text, left, part(1));
    }
    case ExpressionKind::concatenation: {
      Text text;
      for (std::size_t i = 0; i < expression.parts.size(); ++i) text.append(string_of(*this, part(i)));
      spend_text(text.size());
      return make_text(std::move(text));
    }
    case ExpressionKind::comparison:
      return evaluate_comparison(expression, scope);
    case ExpressionKind::namespace_target:
      return None{};
  }
  return None{};
}

Value Machine::evaluate_comparison(const Expression& expression, Scope& scope) {
  Value left = evaluate(*expression.parts.front(), scope);
  for (std::size_t i = 0; i < expression.signs.size(); ++i) {
    Value right = evaluate(*expression.parts[i + 1], scope);
    if (!compares(*this, expression.signs[i], left, right)) return false;
    left = std::move(right);
  }
  return true;
}

Value Machine::evaluate_slice(const Expression& expression, const Value& value, Scope& scope) {
  Value bounds[3] = {None{}, None{}, None{}};
  for (std::size_t i = 0; i < 3; ++i)
    if (expression.parts[i] != nullptr) bounds[i] = evaluate(*expression.parts[i], scope);
  if (is_undefined(value)) fail_undefined(value);
  const bool has_slices = is_text(value) || is_list(value) || is_tuple(value) ||
                          (is_sequence(value) && std::get<SequencePointer>(value)->kind == SequenceKind::range);
  const bool has_bounds = std::all_of(std::begin(bounds), std::end(bounds),
                                      [](const Value& bound) { return is_none(bound) || is_integral(bound); });
  if (!has_slices || !has_bounds)
    return make_undefined(fmt::format(
        "{} has no element slice({}, {}, {})", described_type(value), representation(*this, bounds[0]).bytes(),
        representation(*this, bounds[1]).bytes(), representation(*this, bounds[2]).bytes()));
  if (is_text(value)) {
    const Text& text = text_of(value);
    spend_text(8 * text.size());
    const std::vector<std::size_t> starts = character_starts(text.bytes());
    const SliceIndices indices =
        slice_indices(static_cast<std::int64_t>(starts.size()) - 1, bounds[0], bounds[1], bounds[2]);
    const auto start = [&](std::int64_t character) { return starts[static_cast<std::size_t>(character)]; };
    Text part;
    if (indices.step == 1) {
      part = text.slice(start(indices.begin), start(indices.begin + indices.count));
    } else {
      for (std::int64_t i = 0; i < indices.count; ++i) {
        const std::int64_t character = indices.begin + i * indices.step;
        part.append(text.slice(start(character), start(character + 1)));
      }
    }
    part.is_markup = text.is_markup;
    return make_text(std::move(part));
  }
  const Sequence& sequence = *std::get<SequencePointer>(value);
  const SliceIndices indices =
      slice_indices(static_cast<std::int64_t>(sequence.items.size()), bounds[0], bounds[1], bounds[2]);
  spend_items(static_cast<std::size_t>(indices.count));
  std::vector<Value> items;
  for (std::int64_t i = 0; i < indices.count; ++i)
    items.push_back(sequence.items[static_cast<std::size_t>(indices.begin + i * indices.step)]);
  return make_sequence(sequence.kind == SequenceKind::range ? SequenceKind::list : sequence.kind, std::move(items));
}

Arguments Machine::arguments_of(const Expression& expression, Scope& scope) {
  Arguments arguments;
  for (const ExpressionPointer& argument : expression.arguments)
    arguments.positional.push_back(evaluate(*argument, scope));
  for (const auto& [name, argument] : expression.named) arguments.named.emplace_back(name, evaluate(*argument, scope));
  if (expression.more_arguments != nullptr)
    for (Value& value : iterate(*this, evaluate(*expression.more_arguments, scope)))
      arguments.positional.push_back(std::move(value));
  if (expression.more_named != nullptr) {
    const Value more = evaluate(*expression.more_named, scope);
    if (!is_dict(more)) throw type_error(fmt::format("argument after ** must be a mapping, not {}", type_name(more)));
    spend_new(std::get<DictPointer>(more)->entries.size());
    for (const auto& [key, value] : std::get<DictPointer>(more)->entries) {
      if (!is_text(key)) throw type_error("keywords must be strings");
      arguments.named.emplace_back(text_of(key).bytes(), value);
    }
  }
  return arguments;
}

Value Machine::evaluate_call(const Expression& expression, Scope& scope) {
  const Value function = evaluate(*expression.parts.front(), scope);
  Arguments arguments = arguments_of(expression, scope);
  line_ = expression.line;
  return call(function, std::move(arguments));
}

}  // namespace temper::jinja

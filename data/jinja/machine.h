// Runs a template: Python's operations on values, bounded in steps, depth and size, so that no template can keep a rank
// busy or exhaust its memory.
#pragma once

#include <cstdint>
#include <ctime>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/jinja/syntax.h"
#include "data/jinja/value.h"

namespace temper::jinja {

/// What a rendering may take.
struct Limits {
  std::int64_t steps = kMostSteps;  ///< expressions, turns of loops, and a step per 64 bytes of what is gone through
  int depth = 1000;                 ///< expressions and statements within each other, macros included
  int calls = 100;                  ///< macros within each other
};

/// Variables of a part of a template; what it lacks, the part around it may have.
class Scope {
 public:
  explicit Scope(Scope* outer) : outer_(outer) {}

  /// Null where this scope or none has it.
  [[nodiscard]] const Value* find_here(std::string_view name) const;
  [[nodiscard]] const Value* find(Meter& meter, std::string_view name) const;
  void set(std::string_view name, Value value);
  void set_all(std::vector<std::pair<std::string, Value>> variables);
  void clear() { variables_.clear(); }

 private:
  Scope* outer_;
  std::map<std::string, Value, std::less<>> variables_;  ///< a template may have as many as it likes
};

/// What became of a body: it was gone through, or a loop around it ends or goes on.
enum class Flow : std::uint8_t { on, stop_loop, next_turn };

/// Is the meter of all that its templates do, too.
class Machine : public Meter {
 public:
  Machine(std::tm now, Limits limits) : Meter(limits.steps), now_(now), limits_(limits) {}
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  /// Renders a template with these variables. Throws TemplateError, with the line.
  Text render(const Body& body, std::vector<std::pair<std::string, Value>> variables);
  /// Bytes of the rendered text that generation blocks enclose, [begin, end).
  [[nodiscard]] const std::vector<std::pair<std::size_t, std::size_t>>& generations() const { return generations_; }

  // ---- for filters, tests, methods and objects
  [[nodiscard]] const std::tm& now() const { return now_; }
  Value call(const Value& function, Arguments arguments);
  Value filter(const std::string& name, const Value& value, const Arguments& arguments);
  bool test(const std::string& name, const Value& value, const Arguments& arguments);
  /// value.name and value[subscript]: undefined where there is no such thing.
  Value attribute(const Value& value, const std::string& name);
  Value item(const Value& value, const Value& subscript);
  /// Keeps an object that may come to hold itself until the end.
  template <typename T>
  std::shared_ptr<T> keep(std::shared_ptr<T> object) {
    kept_.push_back(object);
    return object;
  }
  /// The text of a body with a scope of its own below `outer`, with these variables.
  Text text_of_body(const Body& body, Scope& outer, std::vector<std::pair<std::string, Value>> variables);
  Value evaluate(const Expression& expression, Scope& scope);
  void enter_call();
  void leave_call() { --calls_; }
  /// {% for %}, also of a loop that calls itself; `depth` from 1.
  Flow run_loop(const Statement& statement, const Value& over, Scope& scope, int depth);
  /// The text that a recursive loop makes.
  Text text_of_loop(const Statement& statement, const Value& over, Scope& scope, int depth);

 private:
  class Level;
  class ScopeMark;

  Flow run(const Body& body, Scope& scope);
  Flow run(const Statement& statement, Scope& scope);
  void run_call(const Statement& statement, Scope& scope);
  void run_generation(const Statement& statement, Scope& scope);
  void write(const Text& text);
  void assign(const Expression& target, const Value& value, Scope& scope);
  Scope& new_scope(Scope* outer);

  Value evaluate_call(const Expression& expression, Scope& scope);
  Value evaluate_comparison(const Expression& expression, Scope& scope);
  Value evaluate_slice(const Expression& expression, const Value& value, Scope& scope);
  Arguments arguments_of(const Expression& expression, Scope& scope);

  std::tm now_;
  Limits limits_;
  int depth_ = 0;
  int calls_ = 0;
  int line_ = 1;
  Text* output_ = nullptr;
  Text* root_output_ = nullptr;
  std::vector<std::pair<std::size_t, std::size_t>> generations_;
  std::deque<Scope> scopes_;
  std::vector<ObjectPointer> kept_;
};

/// The variables that every template has: range, dict, namespace, raise_exception, ...
std::vector<std::pair<std::string, Value>> global_variables();

}  // namespace temper::jinja

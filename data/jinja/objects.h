// The objects that templates make and call.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/jinja/machine.h"

namespace temper::jinja {

/// A macro, or the body of a call block. Lives no longer than the machine that runs it.
class Macro final : public Object {
 public:
  Macro(const Statement& statement, Scope& scope) : statement_(statement), scope_(scope) {}
  [[nodiscard]] std::string type_name() const override { return "Macro"; }
  [[nodiscard]] std::string written() const override;
  [[nodiscard]] bool callable() const override { return true; }
  Value call(Machine& machine, Arguments arguments) override;
  bool attribute(std::string_view name, Value& value) override;

 private:
  const Statement& statement_;
  Scope& scope_;
};

/// `loop` within a loop.
class Loop final : public Object {
 public:
  Loop(const Statement& statement, Scope& scope, std::vector<Value> items, int depth)
      : statement_(statement), scope_(scope), items_(std::move(items)), depth_(depth) {}
  [[nodiscard]] const std::vector<Value>& items() const { return items_; }
  void set_turn(std::size_t turn) { turn_ = turn; }

  [[nodiscard]] std::string type_name() const override { return "LoopContext"; }
  [[nodiscard]] std::string written() const override;
  [[nodiscard]] bool callable() const override { return true; }
  Value call(Machine& machine, Arguments arguments) override;
  bool attribute(std::string_view name, Value& value) override;
  void clear() override;
  /// Whether a value differs from that of the last call.
  bool changed(Meter& meter, const std::vector<Value>& values);

 private:
  const Statement& statement_;
  Scope& scope_;
  std::vector<Value> items_;
  int depth_;
  std::size_t turn_ = 0;
  bool has_last_ = false;
  std::vector<Value> last_;
};

/// namespace(...): what loops can assign to.
class Namespace final : public Object {
 public:
  /// Throws a SecurityError for names with an underscore in front, as transformers does.
  void set(const std::string& name, const Value& value);
  [[nodiscard]] std::string type_name() const override { return "TemplateNamespace"; }
  [[nodiscard]] std::string written() const override { return "<Namespace>"; }
  bool attribute(std::string_view name, Value& value) override;
  void clear() override { entries_.clear(); }

 private:
  std::map<std::string, Value, std::less<>> entries_;
};

/// A function of the environment, or a method with the value that it is of.
class Function final : public Object {
 public:
  using Body = Value (*)(Machine& machine, const Value& self, Arguments& arguments);
  /// Throws a limit error for a value that nests too deeply.
  Function(std::string name, Body body, Value self)
      : name_(std::move(name)), body_(body), self_(std::move(self)), depth_(depth_around(self_)) {}
  [[nodiscard]] std::string type_name() const override { return "builtin_function_or_method"; }
  [[nodiscard]] std::string written() const override {
    return std::string("<built-in method ").append(name_).append(">");
  }
  [[nodiscard]] bool callable() const override { return true; }
  Value call(Machine& machine, Arguments arguments) override { return body_(machine, self_, arguments); }
  void clear() override { self_ = None{}; }
  [[nodiscard]] int depth() const override { return depth_; }

 private:
  std::string name_;
  Body body_;
  Value self_;
  int depth_;
};

/// Arguments under the names of their parameters.
class BoundArguments {
 public:
  /// `function`: for messages. Throws a TypeError for arguments that no parameter takes.
  BoundArguments(std::string_view function, const Arguments& arguments, std::vector<std::string_view> parameters);
  /// Null where it was not given.
  [[nodiscard]] const Value* find(std::size_t parameter) const { return values_[parameter]; }
  /// Throws a TypeError where it was not given.
  const Value& require(std::size_t parameter) const;
  [[nodiscard]] Value get(std::size_t parameter, Value absent) const {
    return values_[parameter] == nullptr ? std::move(absent) : *values_[parameter];
  }
  [[nodiscard]] bool flag(std::size_t parameter, bool absent) const {
    return values_[parameter] == nullptr ? absent : truth(*values_[parameter]);
  }
  /// Throws a TypeError for what is no integer.
  [[nodiscard]] std::int64_t integer(std::size_t parameter, std::int64_t absent) const;

 private:
  std::string function_;
  std::vector<std::string_view> parameters_;
  std::vector<const Value*> values_;
};

/// "dict object", "None": how Jinja's messages call what a value is.
std::string described_type(const Value& value);

/// A method of a loop or a cycler; null where there is none of the name.
Function::Body object_method(const Object& object, std::string_view name);

/// A method of a text, a list or a dictionary; null where there is none of the name.
Function::Body text_method(std::string_view name);
Function::Body list_method(std::string_view name);
Function::Body dict_method(std::string_view name);
/// Methods that would change a list or a dictionary, which the sandbox forbids.
bool is_changing_method(const Value& value, std::string_view name);

}  // namespace temper::jinja

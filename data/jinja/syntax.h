// A template as the parser hands it to the machine: a tree of statements and expressions (jinja2/nodes.py).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/jinja/value.h"

namespace temper::jinja {

enum class ExpressionKind : std::uint8_t {
  constant,
  name,
  tuple,
  list,
  dict,         ///< parts: key, value, key, value ...
  attribute,    ///< part.text
  item,         ///< part[part]
  slice,        ///< parts: begin, end, step; each may be null
  call,         ///< the first part, with arguments
  filter,       ///< the first part, null for that of a block; text names it
  test,         ///< the same
  conditional,  ///< parts: if, then, else; else may be null
  logical_not,
  logical_and,
  logical_or,
  negate,
  plus,
  arithmetic,  ///< two parts; text is the sign
  concatenation,
  comparison,       ///< parts, between which `signs` stand
  namespace_target  ///< of an assignment: text.attribute
};

struct Expression;
using ExpressionPointer = std::unique_ptr<Expression>;

struct Expression {
  ExpressionKind kind = ExpressionKind::constant;
  int line = 1;
  int depth = 1;
  std::string text;
  std::string attribute;
  Value constant = None{};
  std::vector<ExpressionPointer> parts;
  std::vector<std::string> signs;
  // ---- of calls, filters and tests
  std::vector<ExpressionPointer> arguments;
  std::vector<std::pair<std::string, ExpressionPointer>> named;
  ExpressionPointer more_arguments;  ///< *expression
  ExpressionPointer more_named;      ///< **expression
};

enum class StatementKind : std::uint8_t {
  output,  ///< data, and expressions that are written
  conditional,
  loop,
  assignment,
  block_assignment,  ///< {% set x %}...{% endset %}
  macro,
  call,    ///< {% call f() %}...{% endcall %}
  filter,  ///< {% filter upper %}...{% endfilter %}
  with,
  scope,       ///< a block of its own, without more
  generation,  ///< what the model is to say, by the template's own account
  stop_loop,
  next_turn,
  foreign  ///< include, import, extends: needs another template
};

struct Statement;
using StatementPointer = std::unique_ptr<Statement>;
using Body = std::vector<StatementPointer>;

/// A macro, or the body of a call block.
struct Signature {
  std::string name;
  std::vector<std::string> parameters;
  std::vector<ExpressionPointer> defaults;  ///< of the last parameters
  bool takes_more = false;                  ///< its body asks for varargs
  bool takes_more_named = false;            ///< for kwargs
  bool takes_caller = false;                ///< for caller
};

struct Statement {
  StatementKind kind = StatementKind::output;
  int line = 1;
  std::string data;                                          ///< of output; where it is empty, the expression
  ExpressionPointer expression;                              ///< written, gone through, called, or assigned
  ExpressionPointer target;                                  ///< of assignments and loops
  ExpressionPointer condition;                               ///< of loops: which items count
  bool recursive = false;                                    ///< of loops
  std::vector<std::pair<ExpressionPointer, Body>> branches;  ///< of conditionals; with: targets of no bodies
  std::vector<ExpressionPointer> values;                     ///< of with
  Body body;
  Body otherwise;
  Signature signature;
};

}  // namespace temper::jinja

#include <fmt/format.h>

#include "data/jinja/filters.h"
#include "data/jinja/parser.h"

namespace temper::jinja {
namespace {

TemplateError no_such_name(const char* what, const Expression& expression) {
  return {Refusal::not_template, "TemplateAssertionError", fmt::format("No {} named '{}'.", what, expression.text),
          expression.line};
}

/// `soft`: it stands within a condition.
void look_at(const Expression* expression, bool soft) {
  if (expression == nullptr) return;
  if (expression->kind == ExpressionKind::filter && !soft && find_filter(expression->text) == nullptr)
    throw no_such_name("filter", *expression);
  if (expression->kind == ExpressionKind::test && !soft && find_test(expression->text) == nullptr)
    throw no_such_name("test", *expression);
  const bool within = soft || expression->kind == ExpressionKind::conditional;
  for (const ExpressionPointer& part : expression->parts) look_at(part.get(), within);
  for (const ExpressionPointer& part : expression->arguments) look_at(part.get(), within);
  for (const auto& [name, part] : expression->named) look_at(part.get(), within);
  look_at(expression->more_arguments.get(), within);
  look_at(expression->more_named.get(), within);
}

void look_at(const Body& body, bool soft);

void look_at(const Statement& statement, bool soft) {
  const bool condition = statement.kind == StatementKind::conditional && !statement.branches.empty();
  const bool within = soft || condition;
  // Other blocks begin anew.
  const bool inside = condition ? within : statement.kind == StatementKind::conditional ? soft : false;
  look_at(statement.expression.get(), within);
  look_at(statement.target.get(), within);
  look_at(statement.condition.get(), false);
  for (const auto& [test, branch] : statement.branches) {
    look_at(test.get(), within);
    look_at(branch, inside);
  }
  for (const ExpressionPointer& value : statement.values) look_at(value.get(), within);
  for (const ExpressionPointer& value : statement.signature.defaults) look_at(value.get(), false);
  look_at(statement.body, inside);
  look_at(statement.otherwise, inside);
}

void look_at(const Body& body, bool soft) {
  for (const StatementPointer& statement : body) look_at(*statement, soft);
}

}  // namespace

void require_known_names(const Body& body) { look_at(body, false); }

}  // namespace temper::jinja

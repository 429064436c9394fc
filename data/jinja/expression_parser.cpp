#include <fmt/format.h>

#include <algorithm>

#include "data/jinja/parser.h"

namespace temper::jinja {
namespace {

/// The machine recurses once per level.
constexpr int kDeepestExpression = 200;

bool is_comparison(const Token& token) {
  if (token.kind != TokenKind::sign) return false;
  const std::string& sign = token.text;
  return sign == "==" || sign == "!=" || sign == "<" || sign == "<=" || sign == ">" || sign == ">=";
}

}  // namespace

ExpressionPointer Parser::make(ExpressionKind kind, int line, std::vector<ExpressionPointer> parts) {
  auto expression = std::make_unique<Expression>();
  expression->kind = kind;
  expression->line = line;
  expression->parts = std::move(parts);
  deepen(*expression);
  return expression;
}

void Parser::deepen(Expression& expression) {
  int depth = 0;
  const auto look_at = [&](const ExpressionPointer& part) {
    if (part != nullptr) depth = std::max(depth, part->depth);
  };
  for (const ExpressionPointer& part : expression.parts) look_at(part);
  for (const ExpressionPointer& part : expression.arguments) look_at(part);
  for (const auto& [name, part] : expression.named) look_at(part);
  look_at(expression.more_arguments);
  look_at(expression.more_named);
  expression.depth = depth + 1;
  if (expression.depth > kDeepestExpression)
    throw TemplateError(Refusal::limit, "LimitError",
                        fmt::format("an expression nests more than {} levels deep", kDeepestExpression),
                        expression.line);
}

ExpressionPointer Parser::parse_expression(bool with_conditional) {
  // Brackets within brackets, signs before signs: this recurses before there is a tree.
  if (++nesting_ > kDeepestExpression)
    throw TemplateError(Refusal::limit, "LimitError",
                        fmt::format("expressions and blocks nest more than {} levels deep", kDeepestExpression),
                        current().line);
  ExpressionPointer expression = with_conditional ? parse_conditional_expression() : parse_or();
  --nesting_;
  return expression;
}

ExpressionPointer Parser::parse_conditional_expression() {
  int line = current().line;
  ExpressionPointer result = parse_or();
  while (skip_name("if")) {
    std::vector<ExpressionPointer> parts;
    parts.push_back(parse_or());
    parts.push_back(std::move(result));
    parts.push_back(skip_name("else") ? parse_expression() : nullptr);
    result = make(ExpressionKind::conditional, line, std::move(parts));
    line = current().line;
  }
  return result;
}

ExpressionPointer Parser::parse_or() {
  int line = current().line;
  ExpressionPointer left = parse_and();
  while (skip_name("or")) {
    std::vector<ExpressionPointer> parts;
    parts.push_back(std::move(left));
    parts.push_back(parse_and());
    left = make(ExpressionKind::logical_or, line, std::move(parts));
    line = current().line;
  }
  return left;
}

ExpressionPointer Parser::parse_and() {
  int line = current().line;
  ExpressionPointer left = parse_not();
  while (skip_name("and")) {
    std::vector<ExpressionPointer> parts;
    parts.push_back(std::move(left));
    parts.push_back(parse_not());
    left = make(ExpressionKind::logical_and, line, std::move(parts));
    line = current().line;
  }
  return left;
}

ExpressionPointer Parser::parse_not() {
  int count = 0;
  const int line = current().line;
  while (current().is_name("not")) {
    take();
    ++count;
  }
  ExpressionPointer expression = parse_comparison();
  for (; count > 0; --count) {
    std::vector<ExpressionPointer> parts;
    parts.push_back(std::move(expression));
    expression = make(ExpressionKind::logical_not, line, std::move(parts));
  }
  return expression;
}

ExpressionPointer Parser::parse_comparison() {
  int line = current().line;
  std::vector<ExpressionPointer> parts;
  std::vector<std::string> signs;
  parts.push_back(parse_sum());
  while (true) {
    if (is_comparison(current())) {
      signs.push_back(take().text);
    } else if (skip_name("in")) {
      signs.emplace_back("in");
    } else if (current().is_name("not") && ahead().is_name("in")) {
      take();
      take();
      signs.emplace_back("not in");
    } else {
      break;
    }
    parts.push_back(parse_sum());
    line = current().line;
  }
  if (signs.empty()) return std::move(parts.front());
  ExpressionPointer expression = make(ExpressionKind::comparison, line, std::move(parts));
  expression->signs = std::move(signs);
  return expression;
}

ExpressionPointer Parser::parse_sum() {
  int line = current().line;
  ExpressionPointer left = parse_concatenation();
  while (current().is_sign("+") || current().is_sign("-")) {
    const std::string sign = take().text;
    std::vector<ExpressionPointer> parts;
    parts.push_back(std::move(left));
    parts.push_back(parse_concatenation());
    left = make(ExpressionKind::arithmetic, line, std::move(parts));
    left->text = sign;
    line = current().line;
  }
  return left;
}

ExpressionPointer Parser::parse_concatenation() {
  const int line = current().line;
  std::vector<ExpressionPointer> parts;
  parts.push_back(parse_product());
  while (skip_sign("~")) parts.push_back(parse_product());
  if (parts.size() == 1) return std::move(parts.front());
  return make(ExpressionKind::concatenation, line, std::move(parts));
}

ExpressionPointer Parser::parse_product() {
  int line = current().line;
  ExpressionPointer left = parse_power();
  while (current().is_sign("*") || current().is_sign("/") || current().is_sign("//") || current().is_sign("%")) {
    const std::string sign = take().text;
    std::vector<ExpressionPointer> parts;
    parts.push_back(std::move(left));
    parts.push_back(parse_power());
    left = make(ExpressionKind::arithmetic, line, std::move(parts));
    left->text = sign;
    line = current().line;
  }
  return left;
}

ExpressionPointer Parser::parse_power() {
  int line = current().line;
  ExpressionPointer left = parse_unary();
  while (skip_sign("**")) {
    std::vector<ExpressionPointer> parts;
    parts.push_back(std::move(left));
    parts.push_back(parse_unary());
    left = make(ExpressionKind::arithmetic, line, std::move(parts));
    left->text = "**";
    line = current().line;
  }
  return left;
}

ExpressionPointer Parser::parse_unary(bool with_filter) {
  const int line = current().line;
  ExpressionPointer expression;
  if (current().is_sign("-") || current().is_sign("+")) {
    if (++nesting_ > kDeepestExpression)
      throw TemplateError(Refusal::limit, "LimitError",
                          fmt::format("expressions and blocks nest more than {} levels deep", kDeepestExpression),
                          line);
    const bool negates = take().text == "-";
    std::vector<ExpressionPointer> parts;
    parts.push_back(parse_unary(false));
    --nesting_;
    expression = make(negates ? ExpressionKind::negate : ExpressionKind::plus, line, std::move(parts));
  } else {
    expression = parse_primary();
  }
  expression = parse_postfix(std::move(expression));
  return with_filter ? parse_filters_and_tests(std::move(expression)) : std::move(expression);
}

ExpressionPointer Parser::parse_primary(bool with_namespace) {
  const Token& token = current();
  const int line = token.line;
  if (token.kind == TokenKind::name) {
    const std::string name = take().text;
    if (name == "true" || name == "false" || name == "True" || name == "False") {
      ExpressionPointer constant = make(ExpressionKind::constant, line);
      constant->constant = name == "true" || name == "True";
      return constant;
    }
    if (name == "none" || name == "None") return make(ExpressionKind::constant, line);
    if (with_namespace && current().is_sign(".")) {
      take();
      ExpressionPointer target = make(ExpressionKind::namespace_target, line);
      target->text = name;
      target->attribute = expect_name();
      return target;
    }
    ExpressionPointer variable = make(ExpressionKind::name, line);
    variable->text = name;
    return variable;
  }
  if (token.kind == TokenKind::string) {
    std::string text = take().text;
    while (current().kind == TokenKind::string) text += take().text;
    ExpressionPointer constant = make(ExpressionKind::constant, line);
    constant->constant = make_text(text);
    return constant;
  }
  if (token.kind == TokenKind::integer || token.kind == TokenKind::real) {
    ExpressionPointer constant = make(ExpressionKind::constant, line);
    constant->constant = token.kind == TokenKind::integer ? Value(token.integer) : Value(token.real);
    take();
    return constant;
  }
  if (token.is_sign("(")) {
    take();
    ExpressionPointer expression = parse_tuple({.explicit_parentheses = true});
    expect_sign(")");
    return expression;
  }
  if (token.is_sign("[")) return parse_list();
  if (token.is_sign("{")) return parse_dict();
  fail(fmt::format("unexpected {}", representation(Text(described(token))).bytes()), line);
}

ExpressionPointer Parser::parse_list() {
  const int line = current().line;
  expect_sign("[");
  std::vector<ExpressionPointer> parts;
  while (!current().is_sign("]")) {
    if (!parts.empty()) expect_sign(",");
    if (current().is_sign("]")) break;
    parts.push_back(parse_expression());
  }
  expect_sign("]");
  return make(ExpressionKind::list, line, std::move(parts));
}

ExpressionPointer Parser::parse_dict() {
  const int line = current().line;
  expect_sign("{");
  std::vector<ExpressionPointer> parts;
  while (!current().is_sign("}")) {
    if (!parts.empty()) expect_sign(",");
    if (current().is_sign("}")) break;
    parts.push_back(parse_expression());
    expect_sign(":");
    parts.push_back(parse_expression());
  }
  expect_sign("}");
  return make(ExpressionKind::dict, line, std::move(parts));
}

bool Parser::is_tuple_end(std::string_view ends_before) const {
  const Token& token = current();
  return token.kind == TokenKind::variable_end || token.kind == TokenKind::block_end || token.is_sign(")") ||
         (!ends_before.empty() && token.is_name(ends_before));
}

ExpressionPointer Parser::parse_tuple(const TupleForm& form) {
  int line = current().line;
  std::vector<ExpressionPointer> parts;
  bool is_tuple = false;
  while (true) {
    if (!parts.empty()) expect_sign(",");
    if (is_tuple_end(form.ends_before)) break;
    parts.push_back(form.simplified ? parse_primary(form.with_namespace) : parse_expression(form.with_conditional));
    if (!current().is_sign(",")) break;
    is_tuple = true;
    line = current().line;
  }
  if (!is_tuple) {
    if (!parts.empty()) return std::move(parts.front());
    if (!form.explicit_parentheses)
      fail(fmt::format("Expected an expression, got {}", representation(Text(described(current()))).bytes()),
           current().line);
  }
  return make(ExpressionKind::tuple, line, std::move(parts));
}

void Parser::require_assignable(const Expression& expression) {
  const auto can = [](const Expression& target, const auto& self) -> bool {
    if (target.kind == ExpressionKind::name || target.kind == ExpressionKind::namespace_target) return true;
    return target.kind == ExpressionKind::tuple &&
           std::all_of(target.parts.begin(), target.parts.end(),
                       [&](const ExpressionPointer& part) { return self(*part, self); });
  };
  if (can(expression, can)) return;
  const char* what = expression.kind == ExpressionKind::constant ? "const"
                     : expression.kind == ExpressionKind::list   ? "list"
                     : expression.kind == ExpressionKind::dict   ? "dict"
                     : expression.kind == ExpressionKind::tuple  ? "tuple"
                                                                 : "expression";
  fail(fmt::format("can't assign to '{}'", what), expression.line);
}

ExpressionPointer Parser::parse_target(std::string_view ends_before, bool with_namespace) {
  ExpressionPointer target =
      parse_tuple({.simplified = true, .ends_before = ends_before, .with_namespace = with_namespace});
  require_assignable(*target);
  return target;
}

ExpressionPointer Parser::parse_postfix(ExpressionPointer expression) {
  while (true) {
    if (current().is_sign(".") || current().is_sign("[")) {
      expression = parse_subscript(std::move(expression));
    } else if (current().is_sign("(")) {
      expression = parse_call(std::move(expression));
    } else {
      return expression;
    }
  }
}

ExpressionPointer Parser::parse_filters_and_tests(ExpressionPointer expression) {
  while (true) {
    if (current().is_sign("|")) {
      expression = parse_filter(std::move(expression));
    } else if (current().is_name("is")) {
      expression = parse_test(std::move(expression));
    } else if (current().is_sign("(")) {
      expression = parse_call(std::move(expression));
    } else {
      return expression;
    }
  }
}

ExpressionPointer Parser::parse_subscript(ExpressionPointer expression) {
  const int line = current().line;
  std::vector<ExpressionPointer> parts;
  parts.push_back(std::move(expression));
  if (take().text == ".") {
    const Token& token = current();
    if (token.kind == TokenKind::name) {
      ExpressionPointer attribute = make(ExpressionKind::attribute, line, std::move(parts));
      attribute->text = take().text;
      return attribute;
    }
    if (token.kind != TokenKind::integer) fail("expected name or number", token.line);
    ExpressionPointer number = make(ExpressionKind::constant, token.line);
    number->constant = token.integer;
    take();
    parts.push_back(std::move(number));
    return make(ExpressionKind::item, line, std::move(parts));
  }
  std::vector<ExpressionPointer> subscripts;
  while (!current().is_sign("]")) {
    if (!subscripts.empty()) expect_sign(",");
    subscripts.push_back(parse_subscribed());
  }
  expect_sign("]");
  parts.push_back(subscripts.size() == 1 ? std::move(subscripts.front())
                                         : make(ExpressionKind::tuple, line, std::move(subscripts)));
  return make(ExpressionKind::item, line, std::move(parts));
}

ExpressionPointer Parser::parse_subscribed() {
  const int line = current().line;
  std::vector<ExpressionPointer> parts;
  const auto at_end = [&] { return current().is_sign("]") || current().is_sign(","); };
  if (skip_sign(":")) {
    parts.push_back(nullptr);
  } else {
    ExpressionPointer expression = parse_expression();
    if (!skip_sign(":")) return expression;
    parts.push_back(std::move(expression));
  }
  parts.push_back(current().is_sign(":") || at_end() ? nullptr : parse_expression());
  parts.push_back(skip_sign(":") && !at_end() ? parse_expression() : nullptr);
  return make(ExpressionKind::slice, line, std::move(parts));
}

ExpressionPointer Parser::parse_call(ExpressionPointer expression) {
  const int line = current().line;
  std::vector<ExpressionPointer> parts;
  parts.push_back(std::move(expression));
  ExpressionPointer call = make(ExpressionKind::call, line, std::move(parts));
  parse_call_arguments(*call);
  return call;
}

void Parser::parse_call_arguments(Expression& call) {
  const int line = current().line;
  const auto ensure = [&](bool holds) {
    if (!holds) fail("invalid syntax for function call expression", line);
  };
  expect_sign("(");
  bool requires_comma = false;
  while (!current().is_sign(")")) {
    if (requires_comma) {
      expect_sign(",");
      if (current().is_sign(")")) break;
    }
    if (skip_sign("*")) {
      ensure(call.more_arguments == nullptr && call.more_named == nullptr);
      call.more_arguments = parse_expression();
    } else if (skip_sign("**")) {
      ensure(call.more_named == nullptr);
      call.more_named = parse_expression();
    } else if (current().kind == TokenKind::name && ahead().is_sign("=")) {
      ensure(call.more_named == nullptr);
      std::string name = take().text;
      take();
      call.named.emplace_back(std::move(name), parse_expression());
    } else {
      ensure(call.more_arguments == nullptr && call.more_named == nullptr && call.named.empty());
      call.arguments.push_back(parse_expression());
    }
    requires_comma = true;
  }
  expect_sign(")");
  deepen(call);
}

ExpressionPointer Parser::parse_filter(ExpressionPointer expression, bool begins_inline) {
  while (begins_inline || current().is_sign("|")) {
    if (!begins_inline) take();
    begins_inline = false;
    const int line = current().line;
    std::string name = expect_name();
    while (skip_sign(".")) name += fmt::format(".{}", expect_name());
    std::vector<ExpressionPointer> parts;
    parts.push_back(std::move(expression));
    expression = make(ExpressionKind::filter, line, std::move(parts));
    expression->text = std::move(name);
    if (current().is_sign("(")) parse_call_arguments(*expression);
  }
  return expression;
}

ExpressionPointer Parser::parse_test(ExpressionPointer expression) {
  const int line = current().line;
  take();
  const bool negated = skip_name("not");
  std::string name = expect_name();
  while (skip_sign(".")) name += fmt::format(".{}", expect_name());
  std::vector<ExpressionPointer> parts;
  parts.push_back(std::move(expression));
  ExpressionPointer test = make(ExpressionKind::test, line, std::move(parts));
  test->text = std::move(name);
  const Token& token = current();
  const bool begins_value = token.kind == TokenKind::name || token.kind == TokenKind::string ||
                            token.kind == TokenKind::integer || token.kind == TokenKind::real || token.is_sign("[") ||
                            token.is_sign("{");
  if (token.is_sign("(")) {
    parse_call_arguments(*test);
  } else if (begins_value && !token.is_name("else") && !token.is_name("or") && !token.is_name("and")) {
    if (token.is_name("is")) fail("You cannot chain multiple tests with is", token.line);
    test->arguments.push_back(parse_postfix(parse_primary()));
    deepen(*test);
  }
  if (!negated) return test;
  std::vector<ExpressionPointer> negation;
  negation.push_back(std::move(test));
  return make(ExpressionKind::logical_not, line, std::move(negation));
}

}  // namespace temper::jinja

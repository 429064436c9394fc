#include "data/jinja/parser.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace temper::jinja {
namespace {

constexpr int kDeepestBlock = 100;

/// Names that statements and expressions read, far enough to know which special ones a macro asks for.
class NameSearch {
 public:
  explicit NameSearch(std::set<std::string>& names) : names_(names) {}
  void look_at(const Body& body) {
    for (const StatementPointer& statement : body) look_at(*statement);
  }

 private:
  void look_at(const Statement& statement) {
    look_at(statement.expression.get());
    look_at(statement.condition.get());
    for (const auto& [condition, body] : statement.branches) {
      look_at(condition.get());
      look_at(body);
    }
    for (const ExpressionPointer& value : statement.values) look_at(value.get());
    for (const ExpressionPointer& value : statement.signature.defaults) look_at(value.get());
    // Macros and call blocks within have their own.
    if (statement.kind != StatementKind::macro && statement.kind != StatementKind::call) look_at(statement.body);
    look_at(statement.otherwise);
  }
  void look_at(const Expression* expression) {
    if (expression == nullptr) return;
    if (expression->kind == ExpressionKind::name) names_.insert(expression->text);
    for (const ExpressionPointer& part : expression->parts) look_at(part.get());
    for (const ExpressionPointer& part : expression->arguments) look_at(part.get());
    for (const auto& [name, part] : expression->named) look_at(part.get());
    look_at(expression->more_arguments.get());
    look_at(expression->more_named.get());
  }

  std::set<std::string>& names_;
};

}  // namespace

Body parse_template(std::string_view source) {
  Body body = Parser(cut_template(source)).parse();
  require_known_names(body);
  return body;
}

// ---- tokens

const Token& Parser::take() {
  const Token& token = tokens_[position_];
  if (position_ + 1 < tokens_.size()) ++position_;
  return token;
}

bool Parser::skip_sign(std::string_view sign) {
  if (!current().is_sign(sign)) return false;
  take();
  return true;
}

bool Parser::skip_name(std::string_view name) {
  if (!current().is_name(name)) return false;
  take();
  return true;
}

void Parser::fail(const std::string& message, int line) {
  throw TemplateError(Refusal::not_template, "TemplateSyntaxError", message, line);
}

void Parser::fail_expected(const std::string& expected) const {
  const Token& token = current();
  if (token.kind == TokenKind::end)
    fail(fmt::format("unexpected end of template, expected '{}'.", expected), token.line);
  fail(fmt::format("expected token '{}', got {}", expected, representation(Text(described(token))).bytes()),
       token.line);
}

void Parser::expect_sign(std::string_view sign) {
  if (!skip_sign(sign)) fail_expected(std::string(sign));
}

void Parser::expect_kind(TokenKind kind, const char* expected) {
  if (current().kind != kind) fail_expected(expected);
  take();
}

std::string Parser::expect_name() {
  if (current().kind != TokenKind::name) fail_expected("name");
  return take().text;
}

// ---- statements

void Parser::fail_tag(const std::string* name, const EndTags* looked_for, int line) const {
  std::vector<EndTags> stack = open_ends_;
  if (looked_for != nullptr) stack.push_back(*looked_for);
  std::string message =
      name == nullptr ? "Unexpected end of template." : fmt::format("Encountered unknown tag '{}'.", *name);
  if (!stack.empty()) {
    std::vector<std::string> quoted;
    for (const std::string& tag : stack.back()) quoted.push_back(fmt::format("'{}'", tag));
    const std::string looking = fmt::format("{}", fmt::join(quoted, " or "));
    const bool misplaced = name != nullptr && std::any_of(stack.begin(), stack.end(), [&](const EndTags& tags) {
                             return std::find(tags.begin(), tags.end(), *name) != tags.end();
                           });
    message += misplaced ? fmt::format(
                               " You probably made a nesting mistake. Jinja is expecting this tag, but "
                               "currently looking for {}.",
                               looking)
                         : fmt::format(" Jinja was looking for the following tags: {}.", looking);
  }
  if (!open_tags_.empty())
    message += fmt::format(" The innermost block that needs to be closed is '{}'.", open_tags_.back());
  fail(message, line);
}

StatementPointer Parser::make(StatementKind kind, int line) {
  auto statement = std::make_unique<Statement>();
  statement->kind = kind;
  statement->line = line;
  return statement;
}

Body Parser::parse() { return parse_body(nullptr); }

Body Parser::statements_until(const EndTags& ends, bool drop_end) {
  skip_sign(":");
  expect_kind(TokenKind::block_end, "end of statement block");
  Body body = parse_body(&ends);
  if (current().kind == TokenKind::end) fail_tag(nullptr, &ends, current().line);
  if (drop_end) take();
  return body;
}

Body Parser::parse_body(const EndTags* ends) {
  if (++nesting_ > kDeepestBlock)
    throw TemplateError(Refusal::limit, "LimitError",
                        fmt::format("blocks nest more than {} levels deep", kDeepestBlock), current().line);
  Body body;
  if (ends != nullptr) open_ends_.push_back(*ends);
  while (current().kind != TokenKind::end) {
    const int line = current().line;
    if (current().kind == TokenKind::data) {
      StatementPointer output = make(StatementKind::output, line);
      output->data = take().text;
      body.push_back(std::move(output));
    } else if (current().kind == TokenKind::variable_begin) {
      take();
      StatementPointer output = make(StatementKind::output, line);
      output->expression = parse_tuple({});
      expect_kind(TokenKind::variable_end, "end of print statement");
      body.push_back(std::move(output));
    } else {
      take();  // the beginning of a block
      if (ends != nullptr && current().kind == TokenKind::name &&
          std::find(ends->begin(), ends->end(), current().text) != ends->end())
        break;
      body.push_back(parse_statement());
      expect_kind(TokenKind::block_end, "end of statement block");
    }
  }
  if (ends != nullptr) open_ends_.pop_back();
  --nesting_;
  return body;
}

StatementPointer Parser::parse_statement() {
  const int line = current().line;
  if (current().kind != TokenKind::name) fail("tag name expected", line);
  const std::string tag = current().text;
  open_tags_.push_back(tag);
  take();
  StatementPointer statement;
  if (tag == "if") {
    statement = parse_conditional(line);
  } else if (tag == "for") {
    statement = parse_loop(line);
  } else if (tag == "set") {
    statement = parse_set(line);
  } else if (tag == "with") {
    statement = parse_with(line);
  } else if (tag == "macro") {
    statement = parse_macro(line);
  } else if (tag == "call") {
    statement = parse_call_block(line);
  } else if (tag == "filter") {
    statement = parse_filter_block(line);
  } else if (tag == "print") {
    statement = parse_print(line);
  } else if (tag == "block") {
    statement = parse_named_block(line);
  } else if (tag == "autoescape") {
    statement = make(StatementKind::scope, line);
    statement->expression = parse_expression();
    statement->body = statements_until({"endautoescape"}, true);
  } else if (tag == "generation") {
    statement = make(StatementKind::generation, line);
    const int outside = std::exchange(loops_, 0);
    statement->body = statements_until({"endgeneration"}, true);
    loops_ = outside;
  } else if (tag == "break" || tag == "continue") {
    if (loops_ == 0)
      throw TemplateError(Refusal::operation, "SyntaxError",
                          tag == "break" ? "'break' outside loop" : "'continue' not properly in loop", line);
    statement = make(tag == "break" ? StatementKind::stop_loop : StatementKind::next_turn, line);
  } else if (tag == "include" || tag == "import" || tag == "extends" || tag == "from") {
    statement = parse_foreign(line, tag);
  } else {
    open_tags_.pop_back();
    fail_tag(&tag, nullptr, line);
  }
  open_tags_.pop_back();
  return statement;
}

StatementPointer Parser::parse_conditional(int line) {
  StatementPointer statement = make(StatementKind::conditional, line);
  while (true) {
    ExpressionPointer condition = parse_tuple({.with_conditional = false});
    Body body = statements_until({"elif", "else", "endif"}, false);
    statement->branches.emplace_back(std::move(condition), std::move(body));
    const std::string end = take().text;
    if (end == "elif") continue;
    if (end == "else") statement->otherwise = statements_until({"endif"}, true);
    return statement;
  }
}

StatementPointer Parser::parse_loop(int line) {
  StatementPointer statement = make(StatementKind::loop, line);
  statement->target = parse_target("in");
  if (!skip_name("in")) fail_expected("in");
  statement->expression = parse_tuple({.with_conditional = false, .ends_before = "recursive"});
  if (skip_name("if")) statement->condition = parse_expression();
  statement->recursive = skip_name("recursive");
  ++loops_;
  statement->body = statements_until({"endfor", "else"}, false);
  --loops_;
  if (take().text == "else") statement->otherwise = statements_until({"endfor"}, true);
  return statement;
}

StatementPointer Parser::parse_set(int line) {
  ExpressionPointer target = parse_target({}, /*with_namespace=*/true);
  if (skip_sign("=")) {
    StatementPointer statement = make(StatementKind::assignment, line);
    statement->target = std::move(target);
    statement->expression = parse_tuple({});
    return statement;
  }
  StatementPointer statement = make(StatementKind::block_assignment, line);
  statement->target = std::move(target);
  statement->expression = parse_filter(nullptr);
  statement->body = statements_until({"endset"}, true);
  return statement;
}

StatementPointer Parser::parse_with(int line) {
  StatementPointer statement = make(StatementKind::with, line);
  while (current().kind != TokenKind::block_end) {
    if (!statement->branches.empty()) expect_sign(",");
    statement->branches.emplace_back(parse_target(), Body());
    expect_sign("=");
    statement->values.push_back(parse_expression());
  }
  statement->body = statements_until({"endwith"}, true);
  return statement;
}

void Parser::parse_signature(Signature& signature) {
  expect_sign("(");
  while (!current().is_sign(")")) {
    if (!signature.parameters.empty()) expect_sign(",");
    signature.parameters.push_back(expect_name());
    if (skip_sign("=")) {
      signature.defaults.push_back(parse_expression());
    } else if (!signature.defaults.empty()) {
      fail("non-default argument follows default argument", current().line);
    }
  }
  expect_sign(")");
}

void Parser::note_special_names(Signature& signature, const Body& body) {
  std::set<std::string> names;
  NameSearch(names).look_at(body);
  const auto is_parameter = [&](const char* name) {
    return std::find(signature.parameters.begin(), signature.parameters.end(), name) != signature.parameters.end();
  };
  signature.takes_more = names.contains("varargs") && !is_parameter("varargs");
  signature.takes_more_named = names.contains("kwargs") && !is_parameter("kwargs");
  signature.takes_caller = names.contains("caller") && !is_parameter("caller");
}

StatementPointer Parser::parse_macro(int line) {
  StatementPointer statement = make(StatementKind::macro, line);
  statement->signature.name = expect_name();
  parse_signature(statement->signature);
  const int outside = std::exchange(loops_, 0);
  statement->body = statements_until({"endmacro"}, true);
  loops_ = outside;
  note_special_names(statement->signature, statement->body);
  return statement;
}

StatementPointer Parser::parse_call_block(int line) {
  StatementPointer statement = make(StatementKind::call, line);
  statement->signature.name = "caller";
  if (current().is_sign("(")) parse_signature(statement->signature);
  statement->expression = parse_expression();
  if (statement->expression->kind != ExpressionKind::call) fail("expected call", line);
  const int outside = std::exchange(loops_, 0);
  statement->body = statements_until({"endcall"}, true);
  loops_ = outside;
  note_special_names(statement->signature, statement->body);
  return statement;
}

StatementPointer Parser::parse_filter_block(int line) {
  StatementPointer statement = make(StatementKind::filter, line);
  statement->expression = parse_filter(nullptr, /*begins_inline=*/true);
  statement->body = statements_until({"endfilter"}, true);
  return statement;
}

StatementPointer Parser::parse_print(int line) {
  StatementPointer statement = make(StatementKind::conditional, line);
  bool first = true;
  while (current().kind != TokenKind::block_end) {
    if (!first) expect_sign(",");
    first = false;
    StatementPointer output = make(StatementKind::output, line);
    output->expression = parse_expression();
    statement->otherwise.push_back(std::move(output));
  }
  return statement;
}

StatementPointer Parser::parse_named_block(int line) {
  StatementPointer statement = make(StatementKind::scope, line);
  const std::string name = expect_name();
  skip_name("scoped");
  skip_name("required");
  const int outside = std::exchange(loops_, 0);
  statement->body = statements_until({"endblock"}, true);
  loops_ = outside;
  skip_name(name);
  return statement;
}

StatementPointer Parser::parse_foreign(int line, const std::string& tag) {
  StatementPointer statement = make(StatementKind::foreign, line);
  statement->expression = parse_expression();
  // What else may stand there names parts of a template that cannot be had.
  if (tag != "extends")
    while (current().kind != TokenKind::block_end && current().kind != TokenKind::end) take();
  return statement;
}

}  // namespace temper::jinja

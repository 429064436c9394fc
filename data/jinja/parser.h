// Tokens to a tree, by the grammar of Jinja 3.1 (jinja2/parser.py) with transformers' extensions: loop controls and
// generation blocks.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "data/jinja/lexer.h"
#include "data/jinja/syntax.h"

namespace temper::jinja {

/// Throws a TemplateError as Jinja does, with the line, and one of its own for expressions and blocks that nest too
/// deeply.
Body parse_template(std::string_view source);

/// Goes along the tokens. Statements (parser.cpp) are made of expressions (expression_parser.cpp).
class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}
  Body parse();

 private:
  // ---- tokens
  [[nodiscard]] const Token& current() const { return tokens_[position_]; }
  [[nodiscard]] const Token& ahead() const { return tokens_[std::min(position_ + 1, tokens_.size() - 1)]; }
  const Token& take();
  bool skip_sign(std::string_view sign);
  bool skip_name(std::string_view name);
  void expect_sign(std::string_view sign);
  void expect_kind(TokenKind kind, const char* expected);
  std::string expect_name();
  [[noreturn]] void fail_expected(const std::string& expected) const;
  [[noreturn]] static void fail(const std::string& message, int line);

  // ---- statements
  using EndTags = std::vector<std::string>;
  [[noreturn]] void fail_tag(const std::string* name, const EndTags* looked_for, int line) const;
  Body statements_until(const EndTags& ends, bool drop_end);
  Body parse_body(const EndTags* ends);
  StatementPointer parse_statement();
  StatementPointer parse_conditional(int line);
  StatementPointer parse_loop(int line);
  StatementPointer parse_set(int line);
  StatementPointer parse_with(int line);
  StatementPointer parse_macro(int line);
  StatementPointer parse_call_block(int line);
  StatementPointer parse_filter_block(int line);
  StatementPointer parse_print(int line);
  StatementPointer parse_named_block(int line);
  StatementPointer parse_foreign(int line, const std::string& tag);
  void parse_signature(Signature& signature);
  void note_special_names(Signature& signature, const Body& body);
  StatementPointer make(StatementKind kind, int line);

  // ---- expressions
  ExpressionPointer make(ExpressionKind kind, int line, std::vector<ExpressionPointer> parts = {});
  void deepen(Expression& expression);
  ExpressionPointer parse_expression(bool with_conditional = true);
  ExpressionPointer parse_conditional_expression();
  ExpressionPointer parse_or();
  ExpressionPointer parse_and();
  ExpressionPointer parse_not();
  ExpressionPointer parse_comparison();
  ExpressionPointer parse_sum();
  ExpressionPointer parse_concatenation();
  ExpressionPointer parse_product();
  ExpressionPointer parse_power();
  ExpressionPointer parse_unary(bool with_filter = true);
  ExpressionPointer parse_primary(bool with_namespace = false);
  ExpressionPointer parse_list();
  ExpressionPointer parse_dict();
  ExpressionPointer parse_postfix(ExpressionPointer expression);
  ExpressionPointer parse_filters_and_tests(ExpressionPointer expression);
  ExpressionPointer parse_subscript(ExpressionPointer expression);
  ExpressionPointer parse_subscribed();
  ExpressionPointer parse_call(ExpressionPointer expression);
  void parse_call_arguments(Expression& call);
  ExpressionPointer parse_filter(ExpressionPointer expression, bool begins_inline = false);
  ExpressionPointer parse_test(ExpressionPointer expression);
  struct TupleForm {
    bool simplified = false;
    bool with_conditional = true;
    std::string_view ends_before = {};
    bool explicit_parentheses = false;
    bool with_namespace = false;
  };
  ExpressionPointer parse_tuple(const TupleForm& form);
  [[nodiscard]] bool is_tuple_end(std::string_view ends_before) const;
  ExpressionPointer parse_target(std::string_view ends_before = {}, bool with_namespace = false);
  static void require_assignable(const Expression& expression);

  std::vector<Token> tokens_;
  std::size_t position_ = 0;
  std::vector<std::string> open_tags_;
  std::vector<EndTags> open_ends_;
  int nesting_ = 0;
  int loops_ = 0;  ///< that a break at this place would be in
};

/// Throws a TemplateError where a filter or a test is named that does not exist. Within conditions, as Jinja has it, it
/// may be named, as long as nobody gets there.
void require_known_names(const Body& body);

}  // namespace temper::jinja

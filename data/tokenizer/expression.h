// What Split and Replace look for: a text, or a regular expression in the syntax of Oniguruma (as Ruby has it).
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/json_node.h"

namespace temper {

/// Bytes of a text from `start` up to, without, `end`.
struct TextSpan {
  std::size_t start;
  std::size_t end;
};

/// Immutable and safe to share among threads.
class Expression {
 public:
  virtual ~Expression() = default;
  /// Replaces `matches` by those in a valid UTF-8 text, from left to right, without overlap. They may be empty, but no
  /// empty one stands right behind another match. Throws Error naming an expression that tries too much.
  virtual void find_all(std::string_view text, std::vector<TextSpan>& matches) const = 0;
};

/// Of {"String": "..."} or {"Regex": "..."}. Throws Error for another form and for an expression that is not
/// understood.
std::unique_ptr<Expression> make_pattern(const JsonNode& node);

/// Of a regular expression; `node` is where it stands, for messages.
std::unique_ptr<Expression> make_expression(const std::string& pattern, const JsonNode& node);

/// `text` with `content` in the place of each span.
void replace_spans(std::string_view text, std::span<const TextSpan> spans, std::string_view content,
                   std::string& replaced);

/// An expression of Oniguruma rewritten for ICU, with flags UREGEX_MULTILINE and UREGEX_UNIX_LINES, so that it matches
/// the same: classes are those of Unicode 16, \h is a hexadecimal digit, named groups are numbered, possessive
/// intervals repeat. Throws Error, saying what and where, for what is not supported.
std::string icu_expression(std::string_view pattern);

}  // namespace temper

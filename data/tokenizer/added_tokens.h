// Tokens that are found in the text before the model sees it: special ones like [MASK], and words added by a user.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/tokenizer/json_node.h"
#include "data/tokenizer/normalizer.h"
#include "data/tokenizer/vocabulary.h"

namespace temper {

struct AddedToken {
  std::string content;
  std::string decoded;  // what decoders see: the content, in its normal form if `normalized`
  std::int32_t id = 0;
  bool single_word = false;  // only where no letter or digit touches it
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // and after it
  bool normalized = true;    // is looked for, in its normal form, in the normalised text
  bool special = false;
};

/// Bytes [begin, end) of a text that are to stay text: no special token that holds one of them is found.
using PlainSpans = std::span<const std::pair<std::size_t, std::size_t>>;

/// Finds tokens in a text: at each place the longest, from left to right.
class TokenFinder {
 public:
  /// Of patterns and their tokens; of equal patterns the first counts.
  explicit TokenFinder(const std::vector<std::pair<std::string, const AddedToken*>>& patterns);

  /// A piece of a text: a token, or text without any (then `token` is null).
  struct Piece {
    std::string_view text;
    const AddedToken* token;
  };
  /// Replaces `pieces` by those that a text consists of, none of them empty. `plain`: rising.
  void split(std::string_view text, std::vector<Piece>& pieces, PlainSpans plain = {}) const;

 private:
  struct Pattern {
    std::string text;
    const AddedToken* token;
  };
  [[nodiscard]] const Pattern* match(std::string_view text, std::size_t position, PlainSpans plain) const;

  std::vector<Pattern> patterns_;                                  // by first byte, then the longest first
  std::array<std::pair<std::size_t, std::size_t>, 256> ranges_{};  // of patterns_, by first byte
  std::array<bool, 256> begins_{};
};

class AddedTokens {
 public:
  /// The added_tokens of a tokenizer.json. As in the Hugging Face library, a token of the model keeps its id and others
  /// are numbered after the model in the order of the file, whatever ids the file says. Throws Error for a wrong form.
  AddedTokens(const JsonNode& root, const Vocabulary& vocabulary, const Normalizer* normalizer);
  AddedTokens(const AddedTokens&) = delete;
  AddedTokens& operator=(const AddedTokens&) = delete;

  [[nodiscard]] const AddedToken* find(std::int32_t id) const;
  [[nodiscard]] const AddedToken* find(std::string_view content) const;
  /// Highest id + 1, or 0.
  [[nodiscard]] std::int32_t size() const { return by_id_.empty() ? 0 : by_id_.rbegin()->first + 1; }

  /// For the text as it was written, and for the normalised text.
  [[nodiscard]] const TokenFinder& plain() const { return plain_; }
  [[nodiscard]] const TokenFinder& normalized() const { return normalized_; }

 private:
  using ById = std::map<std::int32_t, AddedToken>;
  static TokenFinder finder(const std::vector<const AddedToken*>& order, bool normalized);

  ById by_id_;
  std::map<std::string, std::int32_t, std::less<>> by_content_;
  TokenFinder plain_{{}};
  TokenFinder normalized_{{}};
};

}  // namespace temper

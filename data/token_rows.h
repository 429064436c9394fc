// Tokenised rows on the heap, one after the other: what the tokenizer fills, block by block, on the way to a
// TokenStore.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace temper {

/// Class of a token that no loss and no metric counts.
inline constexpr std::int32_t kUnlabelled = -100;

struct TokenRows {
  std::vector<std::int32_t> ids;           ///< [tokens] of all rows, one row after the other
  std::vector<std::int32_t> types;         ///< [tokens] segment of each token
  std::vector<std::int64_t> starts = {0};  ///< [rows + 1] where each row begins in ids
  std::vector<std::int32_t> classes;       ///< [rows], or [tokens] with kUnlabelled; empty where rows have none
  std::vector<float> weights;              ///< [tokens] what each token's class counts in training, above 0 where it
                                           ///< has one; empty: each counts 1
  std::vector<float> targets;              ///< [rows, target_width]: numbers, or 0 and 1 for multi-label
  std::int32_t target_width = 0;

  [[nodiscard]] std::int64_t rows() const { return static_cast<std::int64_t>(starts.size()) - 1; }
  [[nodiscard]] std::int64_t tokens() const { return static_cast<std::int64_t>(ids.size()); }
  /// Tokens of a row.
  [[nodiscard]] std::int64_t length(std::int64_t row) const {
    return starts[static_cast<std::size_t>(row) + 1] - starts[static_cast<std::size_t>(row)];
  }

  friend bool operator==(const TokenRows&, const TokenRows&) = default;
};

/// Throws Error, beginning with `source`, unless the sizes of the members fit each other and every row has a token.
void require_consistent(const TokenRows& rows, const std::string& source);

/// The rows of all parts, in order. Throws Error where parts have labels of different kinds.
TokenRows concatenate(std::span<const TokenRows> parts);

}  // namespace temper

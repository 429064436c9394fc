// Tokenised rows that are read and never changed: views of arrays that lie in a file of the token cache, in memory
// that the ranks of a node share, or, for few rows, on the heap. A copy shares the arrays.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/mapped_file.h"
#include "data/example_source.h"
#include "data/token_rows.h"

namespace temper {

/// How large the arrays of a store are, and where they begin in the bytes that hold them.
struct TokenLayout {
  std::int64_t rows = 0;
  std::int64_t tokens = 0;
  std::int64_t classes = 0;  ///< as many as rows, as tokens, or none
  std::int32_t target_width = 0;
  bool has_types = false;    ///< otherwise every segment is 0, and there is no array of them
  bool has_weights = false;  ///< otherwise every token's class counts 1
  // In bytes, each a multiple of 8.
  std::uint64_t starts_at = 0;
  std::uint64_t ids_at = 0;
  std::uint64_t types_at = 0;
  std::uint64_t classes_at = 0;
  std::uint64_t weights_at = 0;
  std::uint64_t targets_at = 0;

  [[nodiscard]] std::int64_t types() const { return has_types ? tokens : 0; }
  [[nodiscard]] std::int64_t weights() const { return has_weights ? tokens : 0; }
  [[nodiscard]] std::int64_t targets() const { return rows * target_width; }
};

/// Sets the places of the arrays to one after the other, from 0 on; gives back the bytes of all.
std::uint64_t place_in_memory(TokenLayout& layout);

class TokenStore final : public ExampleSource {
 public:
  /// No rows.
  TokenStore() : TokenStore(TokenRows()) {}
  /// Takes rows from the heap.
  explicit TokenStore(TokenRows rows);
  /// Arrays in bytes that `owner` keeps alive. The layout must lie in the bytes.
  TokenStore(std::shared_ptr<const void> owner, std::span<const std::byte> bytes, const TokenLayout& layout);
  /// Arrays in a file, mapped: the ranks of a node that map it share its pages.
  TokenStore(MappedFile file, const TokenLayout& layout);

  [[nodiscard]] std::int64_t rows() const override { return static_cast<std::int64_t>(starts_.size()) - 1; }
  [[nodiscard]] std::int64_t cost(std::int64_t row) const override { return length(row); }
  [[nodiscard]] std::int32_t target_width() const override { return target_width_; }
  void append(std::int64_t row, std::uint32_t example, Batch& batch) const override;
  void forget_rows(std::int64_t first, std::int64_t count) const override;

  [[nodiscard]] std::span<const std::int32_t> ids() const { return ids_; }          ///< [tokens]
  [[nodiscard]] std::span<const std::int32_t> types() const { return types_; }      ///< [tokens]; empty: all are 0
  [[nodiscard]] std::span<const std::int64_t> starts() const { return starts_; }    ///< [rows + 1]
  [[nodiscard]] std::span<const std::int32_t> classes() const { return classes_; }  ///< [rows], or [tokens], or empty
  [[nodiscard]] std::span<const float> weights() const { return weights_; }         ///< [tokens]; empty: all are 1
  [[nodiscard]] std::span<const float> targets() const { return targets_; }         ///< [rows, target_width]
  [[nodiscard]] std::int64_t tokens() const { return static_cast<std::int64_t>(ids_.size()); }
  /// Tokens of a row.
  [[nodiscard]] std::int64_t length(std::int64_t row) const {
    return starts_[static_cast<std::size_t>(row) + 1] - starts_[static_cast<std::size_t>(row)];
  }
  /// Whether each token has a class rather than each row. (Where all rows have one token there is no difference.)
  [[nodiscard]] bool has_token_classes() const {
    return predicts_next_ || (!classes_.empty() && classes_.size() == ids_.size());
  }

  /// From now on the class of a token is the next one of its row, and kUnlabelled of the last; none is stored.
  void label_with_next_tokens() { predicts_next_ = true; }
  [[nodiscard]] bool predicts_next() const { return predicts_next_; }

  /// The same tokens in rows that begin elsewhere; `starts` [rows + 1], rising, covers them all. Rows must have neither
  /// classes nor targets of their own. The documents stay those that were tokenised.
  [[nodiscard]] TokenStore with_rows(std::vector<std::int64_t> starts) const;
  [[nodiscard]] std::span<const std::int64_t> document_starts() const { return document_starts_; }  ///< [documents + 1]

  [[nodiscard]] std::int64_t text_bytes() const override { return text_bytes_; }
  void set_text_bytes(std::int64_t bytes) { text_bytes_ = bytes; }

  /// Goes through one of the arrays from the beginning: `use(piece, first)`, a piece that begins at element `first`.
  /// The pages of a file leave this process behind each piece, so that what is looked at once does not stay resident.
  /// `use` returns false to stop.
  template <typename T, typename Use>
  void scan(std::span<const T> array, Use use) const {
    constexpr std::size_t kPiece = std::size_t{1} << 18;
    for (std::size_t first = 0; first < array.size(); first += kPiece) {
      const std::span<const T> piece = array.subspan(first, std::min(kPiece, array.size() - first));
      const bool goes_on = use(piece, first);
      forget(std::as_bytes(piece));
      if (!goes_on) return;
    }
  }

 private:
  void view(std::span<const std::byte> bytes, const TokenLayout& layout);
  void forget(std::span<const std::byte> part) const;

  std::shared_ptr<const void> owner_;
  std::shared_ptr<const MappedFile> file_;  ///< null unless the arrays lie in a file
  std::span<const std::int32_t> ids_;
  std::span<const std::int32_t> types_;
  std::span<const std::int64_t> starts_;
  std::span<const std::int64_t> document_starts_;
  std::shared_ptr<const std::vector<std::int64_t>> own_starts_;  ///< of with_rows
  std::span<const std::int32_t> classes_;
  std::span<const float> weights_;
  std::span<const float> targets_;
  std::int32_t target_width_ = 0;
  bool predicts_next_ = false;
  std::int64_t text_bytes_ = 0;
};

/// Throws Error, beginning with `source`, unless the arrays fit each other and every row has a token.
void require_consistent(const TokenStore& store, const std::string& source);

}  // namespace temper

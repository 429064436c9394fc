// Tokenised rows, flat: what the loader packs batches from, what ranks exchange and what the cache holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/tables/labels.h"
#include "data/tables/table.h"
#include "data/tokenizer/tokenizer.h"

namespace temper {

/// Class of a token that no loss and no metric counts.
inline constexpr std::int32_t kUnlabelled = -100;

struct Dataset {
  std::vector<std::int32_t> ids;           ///< [tokens] of all rows, one row after the other
  std::vector<std::int32_t> types;         ///< [tokens] segment of each token
  std::vector<std::int64_t> starts = {0};  ///< [rows + 1] where each row begins in ids
  std::vector<std::int32_t> classes;       ///< [rows], or [tokens] with kUnlabelled; empty where rows have none
  std::vector<float> targets;              ///< [rows, target_width]: numbers, or 0 and 1 for multi-label
  std::int32_t target_width = 0;

  [[nodiscard]] std::int64_t rows() const { return static_cast<std::int64_t>(starts.size()) - 1; }
  [[nodiscard]] std::int64_t tokens() const { return static_cast<std::int64_t>(ids.size()); }
  /// Tokens of a row.
  [[nodiscard]] std::int64_t length(std::int64_t row) const {
    return starts[static_cast<std::size_t>(row) + 1] - starts[static_cast<std::size_t>(row)];
  }
  /// Whether each token has a class rather than each row. (Where all rows have one token there is no difference.)
  [[nodiscard]] bool has_token_classes() const { return !classes.empty() && classes.size() == ids.size(); }
  [[nodiscard]] std::vector<std::int64_t> lengths() const;

  friend bool operator==(const Dataset&, const Dataset&) = default;
};

/// Throws Error, beginning with `source`, unless the sizes of the members fit each other and every row has a token.
void require_consistent(const Dataset& dataset, const std::string& source);

/// The rows of all parts, in order. Throws Error where parts have labels of different kinds.
Dataset concatenate(std::span<const Dataset> parts);

/// As bytes for another rank of the same program, and back. Throws Error if the bytes are no whole dataset.
std::vector<std::byte> serialize(const Dataset& dataset);
Dataset deserialize_dataset(std::span<const std::byte> bytes);

struct TokenizeOptions {
  std::size_t max_length = 0;  ///< tokens a row, special ones included; longer rows are cut as the tokenizer does
  int threads = 1;
  LabelKind kind = LabelKind::single_class;
  bool number_words = false;  ///< token_class without a label column: a word's class is its place in the row, from 0
};

/// Tokenises rows [begin, end) of a table: the part of one rank. The result, and which error is thrown, do not depend
/// on the number of threads.
///
/// single_class and multi_label: the names of `labels` become ids, or 0 and 1; they may be written in any of
/// LabelReader's forms. regression: one number a row, or a list of one number a name where `labels` names the targets.
/// token_class: the text holds words (split_words); the first token of each word has the word's class, all others
/// kUnlabelled, as have words without a label. next_token: the class of a token is the id of the next one of its row,
/// and kUnlabelled of the last. Throws Error, with file and line, for an unknown label, what is no
/// finite number, more or fewer labels than words, text that is not UTF-8, and a row without a token; and for a missing
/// column.
Dataset tokenize_rows(const Table& table, const ColumnChoice& columns, const Tokenizer& tokenizer,
                      const LabelSet& labels, const TokenizeOptions& options, std::int64_t begin, std::int64_t end);

}  // namespace temper

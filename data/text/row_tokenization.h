// Rows of text to rows of tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "data/tables/label_reader.h"
#include "data/tables/table.h"
#include "data/token_rows.h"
#include "data/tokenizer/tokenizer.h"

namespace temper {

class ChatEncoder;

/// What becomes of documents of more than max_length tokens; of next_token alone.
enum class LongDocuments : std::uint8_t {
  cut,     ///< as the tokenizer cuts
  split,   ///< they stay whole here, for sequences_of to cut into pieces
  refuse,  ///< Error
};

struct TokenizeOptions {
  std::size_t max_length = 0;  ///< tokens per row, special ones included; longer rows are cut as the tokenizer does
  int threads = 1;
  LabelKind kind = LabelKind::single_class;
  LongDocuments long_documents = LongDocuments::cut;
  std::int32_t end_token = -1;  ///< of next_token: stands behind each document, unless its last token is that anyway
  /// Of next_token and preference: rows are conversations, which this reads; their tokens have classes, the next token
  /// where it is to be learnt and kUnlabelled elsewhere, and a row may become several rows (of preference two), or
  /// none.
  std::shared_ptr<const ChatEncoder> chat = nullptr;
  bool number_words = false;  ///< token_class without a label column: a word's class is its place in the row, from 0
};

/// Tokenises rows [begin, end) of a table or of a chunk of one. The result, and which error is thrown, do not depend on
/// the number of threads. `labels_of_rows`: has looked at all rows of the table; null where these are in `table`, or
/// where no label is read.
///
/// single_class and multi_label: the names of `labels` become ids, or 0 and 1; they may be written in any of
/// LabelReader's forms. regression: one number per row, or a list of one number per name if `labels` names the targets.
/// token_class: the text holds words (split_words); the first token of each word has the word's class, all others
/// kUnlabelled, as have words without a label. next_token: rows have no classes here
/// (TokenStore::label_with_next_tokens). Throws Error, with file and line, for an unknown label, what is no finite
/// number, more or fewer labels than words, text that is not UTF-8, and a row without a token; and for a missing
/// column.
TokenRows tokenize_rows(const Table& table, const ColumnChoice& columns, const Tokenizer& tokenizer,
                        const LabelSet& labels, const TokenizeOptions& options, std::int64_t begin, std::int64_t end,
                        const LabelReader* labels_of_rows = nullptr);

}  // namespace temper

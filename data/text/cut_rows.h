// How many rows a limit of tokens has cut.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "data/text/row_tokenization.h"

namespace temper {

/// `lengths`: tokens of the rows of the table from `begin` on, as tokenize_rows gave them with these columns and
/// options. Rows that fill the limit are tokenised once more with room for one token more: how many have a use for it.
std::int64_t count_cut_rows(std::span<const std::int64_t> lengths, const Table& table, std::int64_t begin,
                            const ColumnChoice& columns, const Tokenizer& tokenizer, const TokenizeOptions& options);

/// "3 of 10 rows are longer than 128 tokens: what lies beyond is cut off"
std::string cut_rows_note(std::int64_t cut, std::int64_t rows, std::int64_t max_length, bool cuts_left);

}  // namespace temper

// Which rows count in a loss. Where the loss is a mean over tokens, a row may have none that counts, and a data set of
// such rows has a loss of nothing, which looks like a perfect one.
#pragma once

#include <cstdint>
#include <vector>

#include "data/diagnostics.h"
#include "data/example_source.h"
#include "data/token_store.h"

namespace temper {

struct IdleRows {
  std::int64_t idle = 0;
  std::int64_t looked_at = 0;  ///< rows
};

/// Rows no token of which ever counts, whatever is drawn: of running text those of one token, which nothing predicts;
/// of words those without a label; and where tokens are masked, those of special ones alone. Of other tasks every row
/// counts. `maskable`: by id, whether a token may be masked; null where the task masks none. `until_one_counts`: the
/// search ends with the first row that does.
IdleRows count_idle_rows(const TokenStore& rows, const std::vector<bool>* maskable, bool until_one_counts);

/// idle_rows: training rows from which nothing can be learnt.
std::vector<Finding> diagnose_idle_rows(const TokenStore& train, const std::vector<bool>* maskable);

/// Whether an evaluation of these rows, as it reads them, has a token that counts; of rows that count themselves,
/// whether there are any.
bool has_counting_row(const ExampleSource& rows);

}  // namespace temper

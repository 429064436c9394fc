#include "data/text/counting_rows.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "base/counted.h"
#include "data/token_rows.h"

namespace temper {
namespace {

/// `array` has an element per token; a row counts where one of its elements does.
template <typename Counts>
IdleRows idle_rows_by_token(const TokenStore& rows, std::span<const std::int32_t> array, bool until_one_counts,
                            Counts counts) {
  IdleRows found;
  bool row_counts = false;
  rows.scan(array, [&](std::span<const std::int32_t> piece, std::size_t first) {
    for (std::size_t i = 0; i < piece.size(); ++i) {
      row_counts = row_counts || counts(piece[i]);
      if (row_counts && until_one_counts) {
        ++found.looked_at;
        return false;
      }
      if (std::cmp_less(first + i + 1, rows.starts()[static_cast<std::size_t>(found.looked_at) + 1])) continue;
      ++found.looked_at;
      found.idle += std::exchange(row_counts, false) ? 0 : 1;
    }
    return true;
  });
  return found;
}

}  // namespace

IdleRows count_idle_rows(const TokenStore& rows, const std::vector<bool>* maskable, bool until_one_counts) {
  if (maskable != nullptr)
    return idle_rows_by_token(rows, rows.ids(), until_one_counts, [&](std::int32_t id) {
      return id >= 0 && std::cmp_less(id, maskable->size()) && (*maskable)[static_cast<std::size_t>(id)];
    });
  if (rows.predicts_next()) {
    IdleRows found;
    for (; found.looked_at < rows.rows(); ++found.looked_at) {
      const bool counts = rows.length(found.looked_at) > 1;
      found.idle += counts ? 0 : 1;
      if (counts && until_one_counts) return {found.idle, found.looked_at + 1};
    }
    return found;
  }
  if (rows.has_token_classes())
    return idle_rows_by_token(rows, rows.classes(), until_one_counts,
                              [](std::int32_t id) { return id != kUnlabelled; });
  return {0, rows.rows()};
}

std::vector<Finding> diagnose_idle_rows(const TokenStore& train, const std::vector<bool>* maskable) {
  constexpr double kMany = 0.05;
  const std::int64_t idle = count_idle_rows(train, maskable, /*until_one_counts=*/false).idle;
  if (idle == 0) return {};
  const double share = static_cast<double>(idle) / static_cast<double>(train.rows());
  const char* what = maskable != nullptr     ? "without a token that could be masked"
                     : train.predicts_next() ? "of one token, before which nothing stands that could predict it"
                                             : "without a word that has a label";
  return {{share >= kMany ? Severity::warning : Severity::note, "idle_rows",
           fmt::format("{} of {} training {} {} {}: nothing is learnt from {}", idle, train.rows(),
                       plural(train.rows(), "row"), plural(idle, "is", "are"), what, plural(idle, "it", "them")),
           share}};
}

bool has_counting_row(const ExampleSource& rows) {
  constexpr std::int64_t kRowsAtATime = 64;
  for (std::int64_t first = 0; first < rows.rows(); first += kRowsAtATime) {
    std::vector<std::int64_t> numbers(static_cast<std::size_t>(std::min(kRowsAtATime, rows.rows() - first)));
    std::iota(numbers.begin(), numbers.end(), first);
    const Batch batch = rows.read(numbers, kEvaluationEpoch);
    if (batch.classes.empty()) return true;  // targets, or nothing that an evaluation counts by
    if (std::any_of(batch.classes.begin(), batch.classes.end(), [](std::int32_t id) { return id != kUnlabelled; }))
      return true;
  }
  return false;
}

}  // namespace temper

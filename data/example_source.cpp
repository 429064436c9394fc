#include "data/example_source.h"

#include <cstddef>
#include <limits>
#include <utility>

#include "base/error.h"
#include "data/sampler.h"

namespace temper {

std::vector<std::uint32_t> ExampleSource::order_of(std::uint64_t seed, std::int64_t epoch, bool shuffle) const {
  return epoch_order(rows(), seed, epoch, shuffle);
}

Batch ExampleSource::gather(std::span<const std::int64_t> wanted, const BatchReading& reading) const {
  std::int64_t tokens = 0;
  for (const std::int64_t row : wanted) {
    if (row < 0 || row >= rows() || std::cmp_greater(row, std::numeric_limits<std::uint32_t>::max()))
      throw Error("row {} was asked for, the data set has {} (and a batch can name 4294967295)", row, rows());
    tokens += cost(row);
  }
  if (tokens > std::numeric_limits<std::int32_t>::max())
    throw Error("a batch of {} tokens is too large, at most {} fit; lower the batch size or raise the number of grains",
                tokens, std::numeric_limits<std::int32_t>::max());
  Batch batch;
  batch.target_width = target_width();
  batch.positions.reserve(static_cast<std::size_t>(tokens));
  batch.sequence_starts.reserve(wanted.size() + 1);
  batch.examples.reserve(wanted.size());
  for (const std::int64_t row : wanted) append_read(row, static_cast<std::uint32_t>(row), reading, batch);
  complete(wanted, reading, batch);
  return batch;
}

Batch ExampleSource::read(std::span<const std::int64_t> wanted, const BatchReading& reading) const {
  Batch batch = gather(wanted, reading);
  for (const auto& [transform, seed] : transforms_) transform(batch, seed, reading.epoch);
  return batch;
}

void for_each_batch(const ExampleSource& source, const std::function<bool(const Batch& batch, std::int64_t first)>& use,
                    bool outline) {
  constexpr std::int64_t kTokens = std::int64_t{1} << 16;
  std::vector<std::int64_t> rows;
  for (std::int64_t first = 0; first < source.rows(); first += static_cast<std::int64_t>(rows.size())) {
    rows.clear();
    std::int64_t tokens = 0;
    for (std::int64_t row = first; row < source.rows() && (rows.empty() || tokens < kTokens); ++row) {
      rows.push_back(row);
      tokens += source.cost(row);
    }
    const bool goes_on = use(source.gather(rows, {kEvaluationEpoch, outline}), first);
    source.forget_rows(first, static_cast<std::int64_t>(rows.size()));
    if (!goes_on) return;
  }
}

}  // namespace temper

// Some rows of a source, evenly spread over it: enough to measure by, where all of them would take too long.
#pragma once

#include <algorithm>
#include <cstdint>

#include "data/example_source.h"

namespace temper {

/// The source's own rows, under numbers from 0 on. Its transforms are not applied.
class RowSample final : public ExampleSource {
 public:
  /// At most `most` (at least 1) rows of `source`, which must outlive it: all of them where it has no more.
  RowSample(const ExampleSource& source, std::int64_t most) : source_(source), rows_(std::min(source.rows(), most)) {}

  [[nodiscard]] std::int64_t rows() const override { return rows_; }
  [[nodiscard]] std::int64_t cost(std::int64_t row) const override { return source_.cost(place_of(row)); }
  [[nodiscard]] std::int32_t target_width() const override { return source_.target_width(); }
  void append(std::int64_t row, std::uint32_t example, Batch& batch) const override {
    source_.append(place_of(row), example, batch);
  }

 private:
  [[nodiscard]] std::int64_t place_of(std::int64_t row) const { return row * source_.rows() / rows_; }

  const ExampleSource& source_;
  std::int64_t rows_;
};

}  // namespace temper

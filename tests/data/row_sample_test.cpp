#include "data/row_sample.h"

#include <gtest/gtest.h>

#include <numeric>

namespace temper {
namespace {

/// Says which rows are read.
class CountedRows final : public ExampleSource {
 public:
  explicit CountedRows(std::int64_t rows) : rows_(rows) {}
  [[nodiscard]] std::int64_t rows() const override { return rows_; }
  [[nodiscard]] std::int64_t cost(std::int64_t row) const override { return 10 * row; }
  void append(std::int64_t row, std::uint32_t example, Batch& batch) const override {
    batch.examples.push_back(example);
    batch.sequence_starts.push_back(static_cast<std::int32_t>(row));
  }

 private:
  std::int64_t rows_;
};

std::vector<std::int64_t> places(const RowSample& sample) {
  std::vector<std::int64_t> found;
  for (std::int64_t i = 0; i < sample.rows(); ++i) found.push_back(sample.cost(i) / 10);
  return found;
}

TEST(RowSample, TakesRowsEvenlyFromTheWholeSource) {
  const CountedRows rows(10);
  EXPECT_EQ(places(RowSample(rows, 4)), (std::vector<std::int64_t>{0, 2, 5, 7}));
  EXPECT_EQ(places(RowSample(rows, 1)), (std::vector<std::int64_t>{0}));
  Batch batch;
  RowSample(rows, 4).append(3, 17, batch);
  EXPECT_EQ(batch.sequence_starts.back(), 7);
  EXPECT_EQ(batch.examples.back(), 17U);
}

TEST(RowSample, IsTheWholeSourceWhereThatHasNoMore) {
  const CountedRows rows(5);
  for (const std::int64_t most : {5, 6, 1000}) {
    std::vector<std::int64_t> all(5);
    std::iota(all.begin(), all.end(), 0);
    EXPECT_EQ(places(RowSample(rows, most)), all);
  }
  EXPECT_EQ(RowSample(CountedRows(0), 3).rows(), 0);
}

}  // namespace
}  // namespace temper

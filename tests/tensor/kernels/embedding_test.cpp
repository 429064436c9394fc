#include <omp.h>

#include <algorithm>
#include <array>
#include <map>

#include "tensor/row_groups.h"
#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

constexpr std::array<std::int32_t, 4> kIds = {5, 0, 5, 2};
constexpr std::array<std::int32_t, 4> kPositions = {0, 1, 2, 0};
constexpr std::array<std::int32_t, 4> kTypes = {0, 0, 1, 1};

/// Host arrays as the kernel takes them: on the CPU they are the device's.
RowGroups view(const HostRowGroups& host) {
  return {static_cast<std::int64_t>(host.ids.size()),
          static_cast<std::int64_t>(host.row_starts.size()) - 1,
          static_cast<std::int64_t>(host.order.size()),
          host.ids.data(),
          host.piece_starts.data(),
          host.row_starts.data(),
          host.order.data()};
}

TestMatrix filled(std::int64_t rows, std::int64_t columns, float value) {
  TestMatrix matrix(rows, columns);
  std::fill_n(matrix.data(), rows * columns, value);
  return matrix;
}

class EmbeddingTest : public KernelTest {};
TEMPER_ON_EACH_INSTRUCTION_SET(EmbeddingTest);

TEST_P(EmbeddingTest, SumAddsThreeRows) {
  for (const std::int64_t width : {1, 7, 33, 384}) {
    const auto words = TestMatrix::random(6, width, 1);
    const auto positions = TestMatrix::random(3, width, 2);
    const auto types = TestMatrix::random(2, width, 3);
    for (const bool with_types : {false, true}) {
      TestMatrix y(4, width, width + 1);
      kernels_.run(calls::EmbeddingSumForward{.words = words.data(),
                                              .ids = kIds.data(),
                                              .positions = positions.data(),
                                              .position_ids = kPositions.data(),
                                              .types = with_types ? types.data() : nullptr,
                                              .type_ids = with_types ? kTypes.data() : nullptr,
                                              .y = y});
      for (std::int64_t t = 0; t < 4; ++t) {
        const auto token = static_cast<std::size_t>(t);
        for (std::int64_t j = 0; j < width; ++j) {
          const float sum = words(kIds[token], j) + positions(kPositions[token], j);
          ASSERT_EQ(y(t, j), with_types ? sum + types(kTypes[token], j) : sum);
        }
      }
      EXPECT_TRUE(y.gaps_untouched());
    }
  }
}

TEST_P(EmbeddingTest, BackwardAddsToTheRowsThatOccur) {
  for (const std::int64_t width : {1, 33, 384}) {
    const auto dy = TestMatrix::random(4, width, 1, width + 2);
    auto table = filled(6, width, 0.5F);
    kernels_.run(calls::EmbeddingBackward{.dy = dy, .groups = view(group_rows(kIds)), .d_table = table.data()});
    for (std::int64_t j = 0; j < width; ++j) {
      // The rows of a piece are summed before they are added.
      ASSERT_EQ(table(5, j), 0.5F + (dy(0, j) + dy(2, j)));
      ASSERT_EQ(table(0, j), 0.5F + dy(1, j));
      ASSERT_EQ(table(2, j), 0.5F + dy(3, j));
      ASSERT_EQ(table(1, j), 0.5F);
      ASSERT_EQ(table(3, j), 0.5F);
      ASSERT_EQ(table(4, j), 0.5F);
    }
  }
}

TEST_P(EmbeddingTest, BackwardSumsPieceByPiece) {
  // A piece and a part, two whole pieces, and one row.
  std::vector<std::int32_t> ids(100, 7);
  ids.insert(ids.end(), 128, 0);
  ids.push_back(3);
  std::shuffle(ids.begin(), ids.end(), std::mt19937(5));
  std::map<std::int32_t, std::vector<std::int64_t>> rows_of;
  for (std::size_t t = 0; t < ids.size(); ++t) {
    rows_of[ids[t]].push_back(static_cast<std::int64_t>(t));
  }
  for (const std::int64_t width : {1, 33, 384}) {
    const auto dy = TestMatrix::random(static_cast<std::int64_t>(ids.size()), width, 1, width + 2, 100.0F);
    auto table = filled(9, width, 0.5F);
    auto expected = table;
    for (const auto& [id, rows] : rows_of) {
      for (std::size_t first = 0; first < rows.size(); first += RowGroups::kPiece) {
        for (std::int64_t j = 0; j < width; ++j) {
          float sum = dy(rows[first], j);
          for (std::size_t i = first + 1; i < std::min(rows.size(), first + RowGroups::kPiece); ++i) {
            sum += dy(rows[i], j);
          }
          expected(id, j) += sum;
        }
      }
    }
    kernels_.run(calls::EmbeddingBackward{.dy = dy, .groups = view(group_rows(ids)), .d_table = table.data()});
    EXPECT_EQ(table.values(), expected.values());
  }
}

TEST_P(EmbeddingTest, BackwardHasTheSameBitsOnAnyNumberOfThreads) {
  const int before = omp_get_max_threads();
  const auto dy = TestMatrix::random(1000, 384, 1);
  std::vector<std::int32_t> ids;
  for (std::int32_t t = 0; t < 1000; ++t) {
    ids.push_back(t * t % 17);
  }
  const HostRowGroups groups = group_rows(ids);
  std::vector<std::vector<double>> tables;
  for (const int threads : {1, 2, 3}) {
    omp_set_num_threads(threads);
    auto table = filled(17, 384, 0.0F);
    kernels_.run(calls::EmbeddingBackward{.dy = dy, .groups = view(groups), .d_table = table.data()});
    tables.push_back(table.values());
  }
  omp_set_num_threads(before);
  EXPECT_EQ(tables[1], tables[0]);
  EXPECT_EQ(tables[2], tables[0]);
}

TEST_P(EmbeddingTest, BackwardOfNoRowsAddsNothing) {
  auto table = filled(2, 5, 0.5F);
  kernels_.run(
      calls::EmbeddingBackward{.dy = TestMatrix(0, 5), .groups = view(group_rows({})), .d_table = table.data()});
  EXPECT_EQ(table.values(), std::vector<double>(10, 0.5));
}

TEST_P(EmbeddingTest, ScatterUndoesGather) {
  const auto x = TestMatrix::random(6, 33, 1, 40);
  TestMatrix y(4, 33, 35);
  kernels_.run(calls::GatherRows{.x = x, .rows = kIds.data(), .y = y});
  for (std::int64_t j = 0; j < 33; ++j) {
    ASSERT_EQ(y(0, j), x(5, j));
    ASSERT_EQ(y(3, j), x(2, j));
  }
  TestMatrix dx(6, 33, 34);
  for (std::int64_t i = 0; i < 6; ++i) {
    std::fill_n(&dx(i, 0), 33, 0.0F);
  }
  kernels_.run(calls::ScatterAddRows{.dy = y, .rows = kIds.data(), .dx = dx});
  for (std::int64_t j = 0; j < 33; ++j) {
    ASSERT_EQ(dx(5, j), 2.0F * x(5, j));
    ASSERT_EQ(dx(0, j), x(0, j));
    ASSERT_EQ(dx(1, j), 0.0F);
  }
  EXPECT_TRUE(dx.gaps_untouched());
}

TEST_P(EmbeddingTest, ScatterWritesTheRowsThatItNames) {
  const auto x = TestMatrix::random(3, 33, 1, 40);
  TestMatrix y(5, 33, 34);
  for (std::int64_t i = 0; i < 5; ++i) std::fill_n(&y(i, 0), 33, 7.0F);
  const std::vector<std::int32_t> rows{4, 0, 2};
  kernels_.run(calls::ScatterRows{.x = x, .rows = rows.data(), .y = y});
  for (std::int64_t j = 0; j < 33; ++j) {
    ASSERT_EQ(y(4, j), x(0, j));
    ASSERT_EQ(y(0, j), x(1, j));
    ASSERT_EQ(y(2, j), x(2, j));
    ASSERT_EQ(y(1, j), 7.0F);
    ASSERT_EQ(y(3, j), 7.0F);
  }
  EXPECT_TRUE(y.gaps_untouched());
}

}  // namespace
}  // namespace temper

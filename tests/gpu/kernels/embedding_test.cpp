#include <algorithm>
#include <random>

#include "tensor/row_groups.h"
#include "tests/gpu/gpu_testing.h"

namespace temper {
namespace {

class GpuEmbeddingTest : public GpuActivationsTest {
 protected:
  TwinMatrix random(MatrixSize size, unsigned seed, Lie lie = Lie::packed) {
    return TwinMatrix::random(gpu(), type(), size.rows, size.columns, seed, lie);
  }
  TwinMatrix empty(MatrixSize size, Lie lie = Lie::packed) { return {gpu(), type(), size.rows, size.columns, lie}; }
  TwinMatrix table(std::int64_t entries, std::int64_t width, unsigned seed) {
    return TwinMatrix::random(gpu(), DType::f32, entries, width, seed);
  }
  TwinArray<std::int32_t> indices(std::int64_t count, std::int64_t entries, unsigned seed) {
    std::mt19937 generator(seed);
    std::vector<std::int32_t> result(static_cast<std::size_t>(count));
    for (auto& index : result) index = static_cast<std::int32_t>(generator() % static_cast<unsigned>(entries));
    return {gpu(), result};
  }
};
TEMPER_FOR_EACH_TYPE(GpuEmbeddingTest);

TEST_P(GpuEmbeddingTest, SumMatchesCpu) {
  for (const MatrixSize size : kSizes) {
    auto words = table(50, size.columns, 1);
    auto positions = table(30, size.columns, 2);
    auto types = table(2, size.columns, 3);
    auto ids = indices(size.rows, 50, 4);
    auto position_ids = indices(size.rows, 30, 5);
    auto type_ids = indices(size.rows, 2, 6);
    for (const Lie lie : kLies) {
      for (const bool with_types : {false, true}) {
        auto y = empty(size, lie);
        on_cpu().run(calls::EmbeddingSumForward{.words = words.cpu().data,
                                                .ids = ids.cpu(),
                                                .positions = positions.cpu().data,
                                                .position_ids = position_ids.cpu(),
                                                .types = with_types ? types.cpu().data : nullptr,
                                                .type_ids = type_ids.cpu(),
                                                .y = y.cpu()});
        on_gpu().run(calls::EmbeddingSumForward{.words = words.gpu_floats(),
                                                .ids = ids.gpu(),
                                                .positions = positions.gpu_floats(),
                                                .position_ids = position_ids.gpu(),
                                                .types = with_types ? types.gpu_floats() : nullptr,
                                                .type_ids = type_ids.gpu(),
                                                .y = y.gpu()});
        y.expect_agreement(gpu(), tolerance(0.0));
      }
    }
  }
}

/// Groups of one row, of many, and of more than a piece.
TEST_P(GpuEmbeddingTest, BackwardHasTheBitsOfTheCpu) {
  for (const MatrixSize size : kSizes) {
    for (const std::int64_t entries : {1, 2, 40}) {
      auto rows = indices(size.rows, entries, 7);
      HostRowGroups host = group_rows(rows.cpu_values());
      TwinArray<std::int32_t> ids(gpu(), host.ids);
      TwinArray<std::int32_t> piece_starts(gpu(), host.piece_starts);
      TwinArray<std::int32_t> row_starts(gpu(), host.row_starts);
      TwinArray<std::int32_t> order(gpu(), host.order);
      const auto groups = static_cast<std::int64_t>(host.ids.size());
      const std::int64_t pieces = static_cast<std::int64_t>(host.row_starts.size()) - 1;
      const RowGroups on_host{groups, pieces, size.rows, ids.cpu(), piece_starts.cpu(), row_starts.cpu(), order.cpu()};
      const RowGroups on_device{groups,           pieces,     size.rows, ids.gpu(), piece_starts.gpu(),
                                row_starts.gpu(), order.gpu()};
      for (const Lie lie : kLies) {
        auto dy = random(size, 1, lie);
        auto d_table = table(entries, size.columns, 2);
        on_cpu().run(calls::EmbeddingBackward{.dy = dy.cpu(), .groups = on_host, .d_table = d_table.cpu().data});
        on_gpu().run(calls::EmbeddingBackward{.dy = dy.gpu(), .groups = on_device, .d_table = d_table.gpu_floats()});
        d_table.expect_agreement(gpu(), 0.0);
      }
    }
  }
}

TEST_P(GpuEmbeddingTest, GatherMatchesCpu) {
  for (const MatrixSize size : kSizes) {
    for (const Lie lie : kLies) {
      auto x = random({30, size.columns}, 1, lie);
      auto rows = indices(size.rows, 30, 2);
      auto y = empty(size, lie);
      on_cpu().run(calls::GatherRows{.x = x.cpu(), .rows = rows.cpu(), .y = y.cpu()});
      on_gpu().run(calls::GatherRows{.x = x.gpu(), .rows = rows.gpu(), .y = y.gpu()});
      y.expect_agreement(gpu(), 0.0);
    }
  }
}

TEST_P(GpuEmbeddingTest, ScatterMatchesCpuAndLeavesOtherRowsAlone) {
  for (const MatrixSize size : kSizes) {
    for (const Lie lie : kLies) {
      auto x = random(size, 1, lie);
      std::vector<std::int32_t> every_second;
      for (std::int64_t i = 0; i < size.rows; ++i)
        every_second.push_back(static_cast<std::int32_t>(2 * (size.rows - 1 - i)));
      TwinArray<std::int32_t> rows(gpu(), every_second);
      auto y = random({2 * size.rows, size.columns}, 3, lie);
      on_cpu().run(calls::ScatterRows{.x = x.cpu(), .rows = rows.cpu(), .y = y.cpu()});
      on_gpu().run(calls::ScatterRows{.x = x.gpu(), .rows = rows.gpu(), .y = y.gpu()});
      y.expect_agreement(gpu(), 0.0);
    }
  }
}

/// In f32 to the bit: the additions to a row have the CPU's order.
TEST_P(GpuEmbeddingTest, ScatterAddMatchesCpuAlsoWhereIndicesRepeat) {
  for (const MatrixSize size : kSizes) {
    for (const Lie lie : kLies) {
      for (const std::int64_t rows : {1, 7, 300}) {
        auto dy = random(size, 1, lie);
        auto places = indices(size.rows, rows, 2);
        auto dx = random({rows, size.columns}, 3, lie);
        on_cpu().run(calls::ScatterAddRows{.dy = dy.cpu(), .rows = places.cpu(), .dx = dx.cpu()});
        on_gpu().run(calls::ScatterAddRows{.dy = dy.gpu(), .rows = places.gpu(), .dx = dx.gpu()});
        dx.expect_agreement(gpu(), tolerance(0.0));
      }
    }
  }
}

}  // namespace
}  // namespace temper

// Buckets that know of a sparse table against buckets that do not, on one node: the same bits, whoever had which
// rows and wherever the ranks are.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <ostream>
#include <string>
#include <vector>

#include "comm/exchange/gradient_buckets.h"
#include "comm/exchange/parameter_exchange.h"
#include "tensor/device.h"
#include "tests/fake_nodes.h"
#include "tests/world.h"

namespace temper {
namespace {

constexpr std::int64_t kRows = 300;
constexpr std::int64_t kWidth = 200;  // no divisor of a chunk, so rows lie across slices
constexpr std::int64_t kTable = 1;

enum class SparseWay : std::uint8_t { window, message, nodes_of_two, nodes_of_three };

struct SparseCase {
  int leaves;
  SparseWay way;
};

std::string name_of(const SparseCase& which) {
  constexpr std::array kWays{"window", "message", "nodes_of_two", "nodes_of_three"};
  return std::to_string(which.leaves) + "_" + kWays.at(static_cast<std::size_t>(which.way));
}

void PrintTo(const SparseCase& which, std::ostream* out) { *out << name_of(which); }

float gradient_of(int step, int grain, std::int64_t element) {
  return static_cast<float>((element * 2654435761LL + grain * 40503LL + step * 7LL) % 100'003) * 1e-3F - 50.0F;
}

/// About every ninth row, others for each grain and step; in step 2 only one grain has any.
bool has_row(int step, int grain, std::int64_t row) {
  if (step == 2 && grain != 0) return false;
  return (row * 40503 + grain * 977 + step * 131) % 9 == 0;
}

class SparseGradients : public testing::TestWithParam<SparseCase> {
 protected:
  GradientBuckets make_buckets(bool sparse) {
    BucketOptions options;
    options.links.share_memory = !sparse || GetParam().way != SparseWay::message;
    if (sparse) options.table = table_;
    return {sparse ? *nodes_ : world_, *device_, layout_, plan_, GetParam().leaves, options};
  }

  void run_step(GradientBuckets& buckets, int step, bool sparse) {
    const TreeNode own = buckets.own_grains();
    RowSet rows(kRows);
    for (int grain = own.begin; grain < own.end; ++grain)
      for (std::int64_t row = 0; row < kRows; ++row)
        if (has_row(step, grain, row)) rows.insert(row);
    if (sparse) {
      buckets.begin_step(rows);
    } else {
      buckets.begin_step();
    }
    for (int grain = own.begin; grain < own.end; ++grain) {
      float* gradients = buckets.begin_grain();
      for (std::int64_t slot = 0; slot < static_cast<std::int64_t>(layout_.slots().size()); ++slot) {
        const ArenaSlot place = layout_.slots()[static_cast<std::size_t>(slot)];
        if (slot != kTable) {
          for (std::int64_t i = place.begin; i < place.begin + place.size; ++i)
            gradients[i] = gradient_of(step, grain, i);
        } else {
          write_table(gradients + place.begin, step, grain, sparse);
        }
        buckets.complete(slot);
      }
      buckets.end_grain();
    }
    buckets.finish();
  }

  static void write_table(float* table, int step, int grain, bool sparse) {
    if (sparse) {
      ASSERT_TRUE(
          std::all_of(table, table + kRows * kWidth, [](float x) { return std::bit_cast<std::uint32_t>(x) == 0; }))
          << "step " << step << ", grain " << grain;
    } else {
      std::fill_n(table, kRows * kWidth, 0.0F);
    }
    for (std::int64_t row = 0; row < kRows; ++row)
      if (has_row(step, grain, row))
        for (std::int64_t i = row * kWidth; i < (row + 1) * kWidth; ++i) table[i] += gradient_of(step, grain, i);
  }

  Communicator& world_ = world_communicator();
  std::unique_ptr<Communicator> nodes_ = testing_support::split_into_nodes([](int rank) {
    const SparseWay way = GetParam().way;
    return way == SparseWay::nodes_of_two ? rank / 2 : way == SparseWay::nodes_of_three ? rank / 3 : 0;
  });
  std::unique_ptr<Device> device_ = make_cpu_device();
  ArenaLayout layout_{std::vector<std::int64_t>{20'000, kRows* kWidth, 30'001}};
  BucketPlan plan_ = plan_buckets(layout_, world_.size(), Route::host, 2 * ArenaLayout::kChunk);
  SparseTable table_{kTable, kWidth, RowSet::all(kRows)};
};

TEST_P(SparseGradients, AreTheBitsOfDenseOnes) {
  GradientBuckets sparse = make_buckets(true);
  GradientBuckets dense = make_buckets(false);
  ASSERT_NE(sparse.rows(), nullptr);
  ASSERT_EQ(dense.rows(), nullptr);
  for (int step = 0; step < 5; ++step) {
    run_step(sparse, step, true);
    run_step(dense, step, false);
    for (const ElementRange range : plan_.owned_by(world_.rank()))
      for (std::int64_t i = range.begin; i < range.end; ++i)
        ASSERT_EQ(std::bit_cast<std::uint32_t>(sparse.reduced()[i]), std::bit_cast<std::uint32_t>(dense.reduced()[i]))
            << "step " << step << ", element " << i;
    std::vector<double> of_sparse(static_cast<std::size_t>(layout_.chunks()), -1.0);
    std::vector<double> of_dense = of_sparse;
    sparse.square_sums(of_sparse.data());
    dense.square_sums(of_dense.data());
    EXPECT_EQ(of_sparse, of_dense) << "chunks of others are left as they are";
    for (std::int64_t row = 0; row < kRows; ++row) {
      bool live = false;
      for (int grain = 0; grain < GetParam().leaves; ++grain) live |= has_row(step, grain, row);
      ASSERT_EQ(sparse.rows()->live().contains(row), live) << "step " << step << ", row " << row;
    }
    world_.barrier();
  }
}

TEST_P(SparseGradients, RowsThatTrainingDoesNotReadAreSharedLater) {
  table_.trained = RowSet(kRows);
  for (std::int64_t row = 0; row < kRows; row += 3) table_.trained.insert(row);
  const auto exchange = make_parameter_exchange(*nodes_, *device_,
                                                {.layout = layout_,
                                                 .plan = plan_,
                                                 .links = {.share_memory = GetParam().way != SparseWay::message},
                                                 .compute_copy = true,
                                                 .table = table_});
  const auto write = [&](float offset) {
    for (const ElementRange range : plan_.owned_by(world_.rank()))
      for (std::int64_t i = range.begin; i < range.end; ++i) {
        exchange->parameters()[i] = static_cast<float>(i) + offset;
        exchange->compute_copy()[i] = to_bfloat16(static_cast<float>(i) + offset);
      }
  };
  const auto expect = [&](ElementRange range, float offset) {
    for (std::int64_t i = range.begin; i < range.end; ++i) {
      ASSERT_EQ(exchange->parameters()[i], static_cast<float>(i) + offset) << i;
      ASSERT_EQ(exchange->compute_copy()[i].bits, to_bfloat16(static_cast<float>(i) + offset).bits) << i;
    }
  };
  write(0.0F);
  exchange->share(SharedRows::all);
  expect({0, layout_.elements()}, 0.0F);
  world_.barrier();
  write(2.0F);
  exchange->share(SharedRows::trained);
  const TablePlace place(layout_, table_);
  for (const ElementRange range : place.live(table_.trained, {0, layout_.elements()})) expect(range, 2.0F);
  world_.barrier();
  exchange->share(SharedRows::all);
  expect({0, layout_.elements()}, 2.0F);
  world_.barrier();
}

INSTANTIATE_TEST_SUITE_P(GrainsAndWays, SparseGradients,
                         testing::Values(SparseCase{1, SparseWay::window}, SparseCase{3, SparseWay::window},
                                         SparseCase{8, SparseWay::window}, SparseCase{1, SparseWay::message},
                                         SparseCase{3, SparseWay::message}, SparseCase{8, SparseWay::message},
                                         SparseCase{3, SparseWay::nodes_of_two}, SparseCase{8, SparseWay::nodes_of_two},
                                         SparseCase{8, SparseWay::nodes_of_three}),
                         [](const auto& which) { return name_of(which.param); });

}  // namespace
}  // namespace temper

#include <numeric>

#include "tests/gpu/gpu_testing.h"

namespace temper {
namespace {

const Dropout kSumDropout{.rate = 0.25F, .place = 9, .key = random_key(3, 4)};

/// Sums, products, gated units: what is done element by element.
class GpuElementwiseTest : public GpuActivationsTest {
 protected:
  TwinMatrix random(MatrixSize size, unsigned seed, Lie lie) {
    return TwinMatrix::random(gpu(), type(), size.rows, size.columns, seed, lie);
  }
};
TEMPER_FOR_EACH_TYPE(GpuElementwiseTest);

TEST_P(GpuElementwiseTest, SumsProductsAndMultiplesMatchCpu) {
  for (const MatrixSize size : kSizes) {
    std::vector<std::uint32_t> counted(static_cast<std::size_t>(size.rows));
    std::iota(counted.begin(), counted.end(), 7U);
    TwinArray<std::uint32_t> names(gpu(), counted);
    for (const Lie lie : kLies) {
      for (const bool flag : {false, true}) {
        const Dropout dropout = flag ? kSumDropout : Dropout{};
        auto a = random(size, 1, lie);
        auto b = random(size, 2, lie);
        auto sum = random(size, 3, lie);
        auto product = random(size, 4, lie);
        auto multiple = random(size, 5, lie);
        on_cpu().run(calls::AddRows{
            .a = a.cpu(), .b = b.cpu(), .names = {names.cpu(), names.cpu()}, .dropout = dropout, .y = sum.cpu()});
        on_gpu().run(calls::AddRows{
            .a = a.gpu(), .b = b.gpu(), .names = {names.gpu(), names.gpu()}, .dropout = dropout, .y = sum.gpu()});
        on_cpu().run(calls::MultiplyRows{.a = a.cpu(), .b = b.cpu(), .y = product.cpu(), .accumulate = flag});
        on_gpu().run(calls::MultiplyRows{.a = a.gpu(), .b = b.gpu(), .y = product.gpu(), .accumulate = flag});
        on_cpu().run(calls::ScaleRows{.x = a.cpu(), .factor = -0.3F, .y = multiple.cpu(), .accumulate = flag});
        on_gpu().run(calls::ScaleRows{.x = a.gpu(), .factor = -0.3F, .y = multiple.gpu(), .accumulate = flag});
        sum.expect_agreement(gpu(), tolerance(3e-7));
        product.expect_agreement(gpu(), tolerance(3e-7));
        multiple.expect_agreement(gpu(), tolerance(3e-7));
      }
    }
  }
}

TEST_P(GpuElementwiseTest, GatedUnitsMatchCpu) {
  for (const MatrixSize size : kSizes) {
    for (const Lie lie : kLies) {
      for (const Activation activation : {Activation::gelu, Activation::silu, Activation::sigmoid, Activation::none}) {
        auto gate = random(size, 1, lie);
        auto value = random(size, 2, lie);
        auto dy = random(size, 3, lie);
        auto y = random(size, 4, lie);
        auto d_gate = random(size, 5, lie);
        auto d_value = random(size, 6, lie);
        on_cpu().run(
            calls::GatedForward{.gate = gate.cpu(), .value = value.cpu(), .activation = activation, .y = y.cpu()});
        on_gpu().run(
            calls::GatedForward{.gate = gate.gpu(), .value = value.gpu(), .activation = activation, .y = y.gpu()});
        on_cpu().run(calls::GatedBackward{.dy = dy.cpu(),
                                          .gate = gate.cpu(),
                                          .value = value.cpu(),
                                          .activation = activation,
                                          .d_gate = d_gate.cpu(),
                                          .d_value = d_value.cpu()});
        on_gpu().run(calls::GatedBackward{.dy = dy.gpu(),
                                          .gate = gate.gpu(),
                                          .value = value.gpu(),
                                          .activation = activation,
                                          .d_gate = d_gate.gpu(),
                                          .d_value = d_value.gpu()});
        y.expect_agreement(gpu(), tolerance(1e-6));
        d_gate.expect_agreement(gpu(), tolerance(1e-6));
        d_value.expect_agreement(gpu(), tolerance(1e-6));
      }
    }
  }
}

TEST_P(GpuElementwiseTest, AGatedUnitGivesOnlyWhatIsWanted) {
  for (const bool wants_gate : {false, true}) {
    const MatrixSize size{5, 48};
    auto gate = random(size, 1, Lie::packed);
    auto value = random(size, 2, Lie::packed);
    auto dy = random(size, 3, Lie::packed);
    auto d_gate = random(size, 5, Lie::packed);
    auto d_value = random(size, 6, Lie::packed);
    on_cpu().run(calls::GatedBackward{.dy = dy.cpu(),
                                      .gate = gate.cpu(),
                                      .value = value.cpu(),
                                      .activation = Activation::gelu,
                                      .d_gate = wants_gate ? Rows(d_gate.cpu()) : Rows(),
                                      .d_value = wants_gate ? Rows() : Rows(d_value.cpu())});
    on_gpu().run(calls::GatedBackward{.dy = dy.gpu(),
                                      .gate = gate.gpu(),
                                      .value = value.gpu(),
                                      .activation = Activation::gelu,
                                      .d_gate = wants_gate ? d_gate.gpu() : Rows(),
                                      .d_value = wants_gate ? Rows() : d_value.gpu()});
    d_gate.expect_agreement(gpu(), tolerance(1e-6));
    d_value.expect_agreement(gpu(), tolerance(1e-6));
  }
}

TEST_P(GpuElementwiseTest, RotaryEmbeddingMatchesCpu) {
  TwinArray<std::uint32_t> positions(gpu(), {0, 1, 2, 511, 131'071});
  for (const std::int64_t pairs : {1, 3, 16, 40}) {
    std::vector<float> angles;
    for (std::int64_t i = 0; i < pairs; ++i) angles.push_back(1.0F / static_cast<float>(1 + i * i));
    for (const Lie lie : kLies) {
      for (const RotaryPairs layout : {RotaryPairs::halves, RotaryPairs::neighbours}) {
        for (const bool backwards : {false, true}) {
          auto x = random({5, 3 * (2 * pairs + 1)}, 1, lie);
          calls::Rotate call{.x = x.cpu(),
                             .positions = positions.cpu(),
                             .heads = 3,
                             .frequencies = angles,
                             .layout = layout,
                             .scale = 1.25F,
                             .backwards = backwards};
          on_cpu().run(call);
          call.x = x.gpu();
          call.positions = positions.gpu();
          on_gpu().run(call);
          x.expect_agreement(gpu(), tolerance(5e-7));
        }
      }
    }
  }
}

TEST_P(GpuElementwiseTest, TurnsLongSequencesByOtherFrequencies) {
  TwinArray<std::int32_t> starts(gpu(), {0, 2, 7, 16});
  std::vector<std::uint32_t> counted;
  for (std::uint32_t i = 0; i < 16; ++i) counted.push_back(3 * i);
  TwinArray<std::uint32_t> positions(gpu(), counted);
  const std::vector<float> usual{1.0F, 0.4F, 0.02F};
  const std::vector<float> beyond{0.9F, 0.3F, 0.01F};
  for (const float growth : {0.0F, 2.5F}) {
    for (const bool backwards : {false, true}) {
      auto x = random({16, 14}, 1, Lie::gaps);
      calls::Rotate call{.x = x.cpu(),
                         .positions = positions.cpu(),
                         .heads = 2,
                         .frequencies = usual,
                         .scale = 1.25F,
                         .backwards = backwards,
                         .sequences = {.tokens = 16, .sequences = 3, .starts = starts.cpu(), .longest = 9},
                         .usual_length = 4,
                         .long_frequencies = beyond,
                         .growth = growth};
      on_cpu().run(call);
      call.x = x.gpu();
      call.positions = positions.gpu();
      call.sequences.starts = starts.gpu();
      on_gpu().run(call);
      x.expect_agreement(gpu(), tolerance(2e-6));
    }
  }
}

TEST_P(GpuElementwiseTest, ClearsRowsThatLieApart) {
  auto x = random({5, 24}, 1, Lie::gaps);
  const auto element = static_cast<std::int64_t>(size_of(type()));
  const Rows all = x.gpu();
  on_gpu().run(
      calls::Clear{.data = all.at(0, 3), .bytes = 7 * element, .rows = all.rows, .stride = all.stride * element});
  for (std::int64_t row = 0; row < 5; ++row) {
    for (std::int64_t column = 3; column < 10; ++column) x(row, column) = 0.0F;
  }
  x.expect_agreement(gpu(), 0.0);
}

}  // namespace
}  // namespace temper

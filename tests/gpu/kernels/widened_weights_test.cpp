// Products of f32 with weights in bf16, and embeddings of a table in bf16, agree with the CPU's on the same values.
#include <cstdint>
#include <vector>

#include "tests/gpu/gpu_testing.h"

namespace temper {
namespace {

class GpuWidenedWeights : public GpuTest {
 protected:
  /// With elements that bf16 has, f32 on the CPU.
  static TwinMatrix weights(std::int64_t rows, std::int64_t columns, unsigned seed, Lie lie) {
    TwinMatrix matrix = TwinMatrix::random(gpu(), DType::bf16, rows, columns, seed, lie);
    matrix.upload(gpu());
    return matrix;
  }
  static TwinMatrix floats(std::int64_t rows, std::int64_t columns, unsigned seed, Lie lie = Lie::packed) {
    return TwinMatrix::random(gpu(), DType::f32, rows, columns, seed, lie);
  }
};

TEST_F(GpuWidenedWeights, LinearAndItsInputGradientMatchCpu) {
  constexpr std::int64_t kRows = 37;
  constexpr std::int64_t kOut = 48;
  constexpr std::int64_t kIn = 65;
  for (const Lie lie : kLies) {
    auto x = floats(kRows, kIn, 1, lie);
    auto weight = weights(kOut, kIn, 2, lie);
    auto bias = floats(1, kOut, 3);
    auto y = floats(kRows, kOut, 4, lie);
    on_cpu().run(calls::LinearForward{.x = x.cpu(),
                                      .weight = weight.cpu(),
                                      .bias = bias.cpu(),
                                      .activation = Activation::silu,
                                      .z = y.cpu(),
                                      .y = y.cpu()});
    on_gpu().run(calls::LinearForward{.x = x.gpu(),
                                      .weight = weight.gpu(),
                                      .bias = bias.gpu(),
                                      .activation = Activation::silu,
                                      .z = y.gpu(),
                                      .y = y.gpu()});
    y.expect_agreement(gpu(), 5e-6);
    auto dx = floats(kRows, kIn, 5, lie);
    on_cpu().run(calls::Matmul{.a = y.cpu(), .b = weight.cpu(), .c = dx.cpu(), .accumulate = true});
    on_gpu().run(calls::Matmul{.a = y.gpu(), .b = weight.gpu(), .c = dx.gpu(), .accumulate = true});
    dx.expect_agreement(gpu(), 1e-5);
  }
}

TEST_F(GpuWidenedWeights, EmbeddingsMatchCpu) {
  for (const std::int64_t width : {std::int64_t{48}, std::int64_t{13}}) {
    auto words = weights(50, width, 1, Lie::packed);
    TwinArray<std::int32_t> ids(gpu(), {49, 0, 7, 7, 12, 31});
    for (const Lie lie : kLies) {
      auto y = floats(6, width, 2, lie);
      on_cpu().run(calls::EmbeddingSumForward{.words = words.cpu().data, .ids = ids.cpu(), .y = y.cpu()});
      on_gpu().run(calls::EmbeddingSumForward{
          .words = words.gpu().data, .words_type = DType::bf16, .ids = ids.gpu(), .y = y.gpu()});
      y.expect_agreement(gpu(), 0.0);
    }
  }
}

}  // namespace
}  // namespace temper

#include "tests/gpu/gpu_testing.h"

namespace temper {
namespace {

class GpuAdafactorStepTest : public GpuTest {
 protected:
  TwinMatrix random(std::int64_t n, unsigned seed) { return TwinMatrix::random(gpu(), DType::f32, 1, n, seed); }
};

struct MatrixSlice {
  std::int64_t columns;
  std::int64_t begin;  ///< in the matrix
  SlicePieces pieces;
};
const std::vector<MatrixSlice> kMatrixSlices = {{7, 0, {2100, 640, 640}},     {7, 10, {200, 3, 64}},
                                                {1000, 900, {3000, 40, 640}}, {1, 5, {130, 64, 64}},
                                                {7, 3, {2, 2, 64}},           {7, 0, {0, 0, 64}}};

void expect_close(const std::vector<double>& found, const std::vector<double>& expected, double tolerance) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    ASSERT_NEAR(found[i], expected[i], tolerance * (1.0 + std::abs(expected[i]))) << i;
}

TEST_F(GpuAdafactorStepTest, FactoredSquareSumsMatchCpu) {
  for (const MatrixSlice& slice : kMatrixSlices) {
    auto gradients = random(slice.pieces.n, 2);
    const FactoredSums layout(slice.pieces.piece, slice.columns);
    TwinArray<double> sums(gpu(), std::vector<double>(static_cast<std::size_t>(slice.pieces.count() * layout.size())));
    on_cpu().run(calls::FactoredSquareSums{.gradients = gradients.cpu().data,
                                           .pieces = slice.pieces,
                                           .begin = slice.begin,
                                           .columns = slice.columns,
                                           .sums = sums.cpu()});
    on_gpu().run(calls::FactoredSquareSums{.gradients = gradients.gpu_floats(),
                                           .pieces = slice.pieces,
                                           .begin = slice.begin,
                                           .columns = slice.columns,
                                           .sums = sums.gpu()});
    expect_close(sums.gpu_values(gpu()), sums.cpu_values(), 1e-12);
  }
}

TEST_F(GpuAdafactorStepTest, SumsAndStepsMatchCpu) {
  const AdafactorStep step{.gradient_scale = 0.5F, .beta2 = 0.75F, .epsilon = 1e-3F, .step_size = 0.1F, .decay = 0.99F};
  for (const MatrixSlice& of : kMatrixSlices) {
    for (const bool is_matrix : {false, true}) {
      const std::int64_t n = of.pieces.n;
      auto parameters = random(n, 1);
      auto gradients = random(n, 2);
      auto row_factors = random((of.begin + n) / of.columns + 1, 3);
      auto column_factors = random(of.columns, 4);
      auto squares = random(n, 5);
      for (std::int64_t i = 0; i < n; ++i) squares(0, i) = std::abs(squares(0, i));
      squares.upload(gpu());
      TwinArray<BFloat16> compute_copy(gpu(), std::vector<BFloat16>(static_cast<std::size_t>(n)));
      AdafactorSlice on_host{.parameters = parameters.cpu().data, .gradients = gradients.cpu().data};
      AdafactorSlice on_device{.parameters = parameters.gpu_floats(), .gradients = gradients.gpu_floats()};
      if (is_matrix) {
        on_host.row_factors = row_factors.cpu().data;
        on_host.column_factors = column_factors.cpu().data;
        on_device.row_factors = row_factors.gpu_floats();
        on_device.column_factors = column_factors.gpu_floats();
        on_host.begin = on_device.begin = of.begin;
        on_host.columns = on_device.columns = of.columns;
      } else {
        on_host.squares = squares.cpu().data;
        on_device.squares = squares.gpu_floats();
      }
      TwinArray<double> sums(gpu(), std::vector<double>(static_cast<std::size_t>(2 * of.pieces.count())));
      on_cpu().run(calls::AdafactorSquareSums{.slice = on_host, .pieces = of.pieces, .step = step, .sums = sums.cpu()});
      on_gpu().run(
          calls::AdafactorSquareSums{.slice = on_device, .pieces = of.pieces, .step = step, .sums = sums.gpu()});
      expect_close(sums.gpu_values(gpu()), sums.cpu_values(), 1e-6);
      on_cpu().run(calls::Adafactor{.slice = on_host, .n = n, .step = step});
      on_gpu().run(calls::Adafactor{.slice = on_device, .compute_copy = compute_copy.gpu(), .n = n, .step = step});
      parameters.expect_agreement(gpu(), 1e-6);
      squares.expect_agreement(gpu(), 1e-6);
      const std::vector<float> updated = parameters.gpu_block(gpu());
      const std::vector<BFloat16> rounded = compute_copy.gpu_values(gpu());
      for (std::int64_t i = 0; i < n; ++i) {
        const auto at = static_cast<std::size_t>(i);
        ASSERT_EQ(rounded[at].bits, to_bfloat16(updated[at]).bits) << i;
      }
    }
  }
}

}  // namespace
}  // namespace temper

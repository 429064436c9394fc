#include "tests/gpu/gpu_testing.h"

namespace temper {
namespace {

class GpuImageRowsTest : public GpuActivationsTest {};
TEMPER_FOR_EACH_TYPE(GpuImageRowsTest);

constexpr std::int64_t kImages = 3;

TEST_P(GpuImageRowsTest, PatchesMatchCpu) {
  for (const Lie lie : kLies) {
    TwinMatrix x = TwinMatrix::random(gpu(), DType::f32, kImages * 7 * 9, 3, 1, lie);
    TwinMatrix y(gpu(), type(), kImages * 3 * 3, 3 * 2 * 3, lie);
    const auto call = [&](ConstRows from, Rows to) {
      return calls::GatherPatches{.x = from, .height = 7, .width = 9, .patch_height = 2, .patch_width = 3, .y = to};
    };
    on_cpu().run(call(x.cpu(), y.cpu()));
    on_gpu().run(call(x.gpu(), y.gpu()));
    y.round();
    y.expect_agreement(gpu(), 0.0);
  }
}

TEST_P(GpuImageRowsTest, MixturesAndSumsMatchCpu) {
  TwinArray<std::int32_t> starts(gpu(), {0, 1, 4, 4, 6, 7});
  TwinArray<std::int32_t> sources(gpu(), {2, 0, 1, 2, 1, 1, 3});
  TwinArray<float> weights(gpu(), {1.0F, 0.5F, -2.0F, 0.25F, 3.0F, -1.0F, 1.0F});
  const RowMixture here{starts.cpu(), sources.cpu(), weights.cpu(), 4, 5, 7};
  const RowMixture there{starts.gpu(), sources.gpu(), weights.gpu(), 4, 5, 7};
  for (const Lie lie : kLies) {
    for (const std::int64_t columns : {7, 48}) {
      TwinMatrix x = TwinMatrix::random(gpu(), type(), kImages * 4, columns, 1, lie);
      TwinMatrix added = TwinMatrix::random(gpu(), DType::f32, 5, columns, 2);
      for (const bool accumulates : {false, true}) {
        TwinMatrix y = TwinMatrix::random(gpu(), type(), kImages * 5, columns, 3, lie);
        on_cpu().run(calls::MixRows{.x = x.cpu(),
                                    .mixture = here,
                                    .images = kImages,
                                    .added = added.cpu().data,
                                    .y = y.cpu(),
                                    .accumulate = accumulates});
        on_gpu().run(calls::MixRows{.x = x.gpu(),
                                    .mixture = there,
                                    .images = kImages,
                                    .added = added.gpu_floats(),
                                    .y = y.gpu(),
                                    .accumulate = accumulates});
        y.expect_agreement(gpu(), tolerance(1e-6));
        TwinMatrix sum = TwinMatrix::random(gpu(), DType::f32, 4, columns, 4);
        on_cpu().run(
            calls::SumImages{.x = x.cpu(), .images = kImages, .sum = sum.cpu().data, .accumulate = accumulates});
        on_gpu().run(
            calls::SumImages{.x = x.gpu(), .images = kImages, .sum = sum.gpu_floats(), .accumulate = accumulates});
        sum.expect_agreement(gpu(), 1e-6);
      }
    }
  }
}

TEST_P(GpuImageRowsTest, TheSameImagesAreDropped) {
  TwinArray<std::uint32_t> examples(gpu(), {4, 0, 9, 17, 2, 33, 5, 8});
  Dropout dropout;
  dropout.rate = 0.4F;
  dropout.place = 3;
  dropout.key = random_key(5, 6);
  for (const Lie lie : kLies) {
    for (const bool accumulates : {false, true}) {
      TwinMatrix x = TwinMatrix::random(gpu(), type(), 8 * 3, 48, 1, lie);
      TwinMatrix y = TwinMatrix::random(gpu(), type(), 8 * 3, 48, 2, lie);
      const auto call = [&](ConstRows from, const std::uint32_t* names, Rows to) {
        return calls::DropImages{
            .x = from, .images = 8, .examples = names, .dropout = dropout, .y = to, .accumulate = accumulates};
      };
      on_cpu().run(call(x.cpu(), examples.cpu(), y.cpu()));
      on_gpu().run(call(x.gpu(), examples.gpu(), y.gpu()));
      y.expect_agreement(gpu(), tolerance(1e-6));
    }
  }
}

TEST_P(GpuImageRowsTest, FactorsOfColumnsAndTheirGradientMatchCpu) {
  for (const Lie lie : kLies) {
    for (const auto& [rows, columns] : {MatrixSize{1, 1}, MatrixSize{5, 7}, MatrixSize{67, 48}, MatrixSize{200, 384}}) {
      TwinMatrix x = TwinMatrix::random(gpu(), type(), rows, columns, 1, lie);
      TwinMatrix dy = TwinMatrix::random(gpu(), type(), rows, columns, 2, lie);
      TwinMatrix factors = TwinMatrix::random(gpu(), DType::f32, 1, columns, 3);
      for (const bool accumulates : {false, true}) {
        TwinMatrix y = TwinMatrix::random(gpu(), type(), rows, columns, 4, lie);
        on_cpu().run(
            calls::ScaleColumns{.x = x.cpu(), .factors = factors.cpu().data, .y = y.cpu(), .accumulate = accumulates});
        on_gpu().run(calls::ScaleColumns{
            .x = x.gpu(), .factors = factors.gpu_floats(), .y = y.gpu(), .accumulate = accumulates});
        y.expect_agreement(gpu(), tolerance(1e-6));
        TwinMatrix sums = TwinMatrix::random(gpu(), DType::f32, 1, columns, 5);
        on_cpu().run(
            calls::SumColumnProducts{.a = dy.cpu(), .b = x.cpu(), .sums = sums.cpu().data, .accumulate = accumulates});
        on_gpu().run(calls::SumColumnProducts{
            .a = dy.gpu(), .b = x.gpu(), .sums = sums.gpu_floats(), .accumulate = accumulates});
        sums.expect_agreement(gpu(), 1e-5);
      }
    }
  }
}

}  // namespace
}  // namespace temper

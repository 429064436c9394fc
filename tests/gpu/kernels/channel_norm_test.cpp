#include "tests/gpu/gpu_testing.h"

namespace temper {
namespace {

class GpuChannelNormTest : public GpuActivationsTest {};
TEMPER_FOR_EACH_TYPE(GpuChannelNormTest);

/// Floats of columns that both devices have, around a value.
TwinMatrix of_columns(Device& gpu, std::int64_t columns, unsigned seed, float around) {
  TwinMatrix values = TwinMatrix::random(gpu, DType::f32, 1, columns, seed, Lie::packed, 0.2F);
  for (std::int64_t i = 0; i < columns; ++i) values(0, i) += around;
  values.upload(gpu);
  return values;
}

TEST_P(GpuChannelNormTest, MatchesCpuBothWays) {
  for (const Lie lie : kLies)
    for (const std::int64_t columns : {7, 48})
      for (const bool of_rows : {false, true})
        for (const bool clips : {false, true})
          for (const bool accumulate : {false, true}) {
            const std::int64_t rows = 131;
            const Activation activation = clips ? Activation::relu : Activation::none;
            TwinMatrix x = TwinMatrix::random(gpu(), type(), rows, columns, 1, lie);
            TwinMatrix residual = TwinMatrix::random(gpu(), type(), rows, columns, 2, lie);
            TwinMatrix y = TwinMatrix::random(gpu(), type(), rows, columns, 3, lie);
            TwinMatrix mean = of_columns(gpu(), columns, 4, 0.0F);
            TwinMatrix variance = of_columns(gpu(), columns, 5, 1.5F);
            TwinMatrix weight = of_columns(gpu(), columns, 6, 1.0F);
            TwinMatrix bias = of_columns(gpu(), columns, 7, 0.0F);
            if (of_rows) {
              on_cpu().run(
                  calls::ChannelStatistics{.x = x.cpu(), .mean = mean.cpu().data, .variance = variance.cpu().data});
              on_gpu().run(
                  calls::ChannelStatistics{.x = x.gpu(), .mean = mean.gpu_floats(), .variance = variance.gpu_floats()});
              mean.expect_agreement(gpu(), 1e-5);
              variance.expect_agreement(gpu(), 1e-5);
              mean.upload(gpu());
              variance.upload(gpu());
            }
            const ChannelStatisticsOf on_cpu_side{mean.cpu().data, variance.cpu().data, 1e-5F};
            const ChannelStatisticsOf on_gpu_side{mean.gpu_floats(), variance.gpu_floats(), 1e-5F};
            on_cpu().run(calls::ChannelNormForward{.x = x.cpu(),
                                                   .statistics = on_cpu_side,
                                                   .weight = weight.cpu().data,
                                                   .bias = bias.cpu().data,
                                                   .residual = residual.cpu(),
                                                   .activation = activation,
                                                   .y = y.cpu()});
            on_gpu().run(calls::ChannelNormForward{.x = x.gpu(),
                                                   .statistics = on_gpu_side,
                                                   .weight = weight.gpu_floats(),
                                                   .bias = bias.gpu_floats(),
                                                   .residual = residual.gpu(),
                                                   .activation = activation,
                                                   .y = y.gpu()});
            y.expect_agreement(gpu(), tolerance(1e-5));
            y.upload(gpu());
            TwinMatrix dy = TwinMatrix::random(gpu(), type(), rows, columns, 8, lie);
            TwinMatrix dx = TwinMatrix::random(gpu(), type(), rows, columns, 9, lie);
            TwinMatrix d_weight = of_columns(gpu(), columns, 10, 0.0F);
            TwinMatrix d_bias = of_columns(gpu(), columns, 11, 0.0F);
            on_cpu().run(calls::ChannelNormBackward{.dy = dy.cpu(),
                                                    .x = x.cpu(),
                                                    .y = y.cpu(),
                                                    .statistics = on_cpu_side,
                                                    .statistics_of_rows = of_rows,
                                                    .weight = weight.cpu().data,
                                                    .activation = activation,
                                                    .g = dy.cpu(),
                                                    .dx = dx.cpu(),
                                                    .accumulate = accumulate,
                                                    .d_weight = d_weight.cpu().data,
                                                    .accumulate_weight = accumulate,
                                                    .d_bias = d_bias.cpu().data,
                                                    .accumulate_bias = accumulate});
            on_gpu().run(calls::ChannelNormBackward{.dy = dy.gpu(),
                                                    .x = x.gpu(),
                                                    .y = y.gpu(),
                                                    .statistics = on_gpu_side,
                                                    .statistics_of_rows = of_rows,
                                                    .weight = weight.gpu_floats(),
                                                    .activation = activation,
                                                    .g = dy.gpu(),
                                                    .dx = dx.gpu(),
                                                    .accumulate = accumulate,
                                                    .d_weight = d_weight.gpu_floats(),
                                                    .accumulate_weight = accumulate,
                                                    .d_bias = d_bias.gpu_floats(),
                                                    .accumulate_bias = accumulate});
            dy.expect_agreement(gpu(), 0.0);
            dx.expect_agreement(gpu(), tolerance(1e-5));
            d_weight.expect_agreement(gpu(), 1e-5);
            d_bias.expect_agreement(gpu(), 1e-5);
          }
}

}  // namespace
}  // namespace temper

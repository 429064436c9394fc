#include "tests/gpu/gpu_testing.h"

namespace temper {
namespace {

class GpuLogitBlocksTest : public GpuActivationsTest {};
TEMPER_FOR_EACH_TYPE(GpuLogitBlocksTest);

struct LogitSettings {
  LogitShape shape = {};
  CrossEntropyTerms terms = {};
  bool bias = false;
  bool weighted = false;
};

/// What LogitRow holds, as doubles of both devices.
std::vector<double> numbers_of(std::span<const double> rows) {
  std::vector<double> numbers;
  const auto* row = reinterpret_cast<const LogitRow*>(rows.data());
  for (std::size_t i = 0; i < rows.size() / kLogitRowDoubles; ++i)
    for (const double number :
         {row[i].sum, row[i].total, static_cast<double>(row[i].largest), static_cast<double>(row[i].label)})
      numbers.push_back(number);
  return numbers;
}

TEST_P(GpuLogitBlocksTest, MatchCpu) {
  constexpr std::int64_t kRows = 7;
  const std::vector<std::int64_t> widths = {300, 1, 77};
  constexpr std::int64_t kClasses = 378;
  TwinArray<std::int32_t> labels(gpu(), {0, 299, 300, 377, -100, 301, 5});
  TwinArray<float> weights(gpu(), {0.5F, 1.0F, 2.0F, 0.0F, 3.0F, 0.25F, 1.5F});
  for (const LogitSettings& settings :
       {LogitSettings{}, LogitSettings{{0.5F, 2.0F}, {0.1F, 1e-2F}, true}, LogitSettings{{2.0F, 0.0F}, {0.0F, 1e-3F}},
        LogitSettings{{0.5F, 2.0F}, {0.1F, 1e-2F}, true, true}}) {
    std::vector<TwinMatrix> blocks;
    std::vector<TwinMatrix> gradients;
    std::vector<TwinMatrix> biases;
    TwinArray<double> statistics(gpu(), std::vector<double>(kRows * kLogitRowDoubles, 1.0));
    const auto of_cpu = [&] { return reinterpret_cast<LogitRow*>(statistics.cpu()); };
    const auto of_gpu = [&] { return reinterpret_cast<LogitRow*>(statistics.gpu()); };
    std::int64_t first = 0;
    for (std::size_t b = 0; b < widths.size(); ++b) {
      blocks.push_back(
          TwinMatrix::random(gpu(), DType::f32, kRows, widths[b], static_cast<unsigned>(b), Lie::packed, 3.0F));
      biases.push_back(TwinMatrix::random(gpu(), DType::f32, 1, widths[b], static_cast<unsigned>(b + 9)));
      gradients.emplace_back(gpu(), type(), kRows, widths[b], Lie::packed);
      const auto run = [&](Kernels& kernels, Matrix logits, const float* bias, const std::int32_t* of_rows,
                           LogitRow* rows) {
        kernels.run(calls::LogitStatistics{.logits = logits,
                                           .bias = settings.bias ? bias : nullptr,
                                           .shape = settings.shape,
                                           .first_class = first,
                                           .labels = of_rows,
                                           .statistics = rows});
      };
      run(on_cpu(), blocks[b].cpu(), biases[b].cpu().data, labels.cpu(), of_cpu());
      run(on_gpu(), blocks[b].gpu().as<float>(), biases[b].gpu_floats(), labels.gpu(), of_gpu());
      blocks[b].expect_agreement(gpu(), 2e-6);
      first += widths[b];
    }
    const std::vector<double> on_host = numbers_of(statistics.cpu_values());
    const std::vector<double> on_device = numbers_of(statistics.gpu_values(gpu()));
    for (std::size_t i = 0; i < on_host.size(); ++i)
      EXPECT_NEAR(on_device[i], on_host[i], 1e-5 * (1.0 + std::abs(on_host[i]))) << i;

    TwinArray<double> sum(gpu(), {0.5, 7.0});
    TwinArray<double> losses(gpu(), std::vector<double>(kRows, -1.0));
    TwinArray<std::int32_t> predicted(gpu(), std::vector<std::int32_t>(kRows, -1));
    const auto add = [&](Kernels& kernels, const LogitRow* rows, const std::int32_t* of_rows, double* to,
                         double* of_each, std::int32_t* best, const float* row_weights) {
      CrossEntropyTerms terms = settings.terms;
      if (settings.weighted) terms.row_weights = row_weights;
      kernels.run(calls::LogitLoss{.statistics = rows,
                                   .labels = of_rows,
                                   .rows = kRows,
                                   .classes = kClasses,
                                   .terms = terms,
                                   .sum = to,
                                   .losses = of_each,
                                   .predicted = best});
    };
    add(on_cpu(), of_cpu(), labels.cpu(), sum.cpu(), losses.cpu(), predicted.cpu(), weights.cpu());
    add(on_gpu(), of_gpu(), labels.gpu(), sum.gpu(), losses.gpu(), predicted.gpu(), weights.gpu());
    EXPECT_NEAR(sum.gpu_values(gpu())[0], sum.cpu_values()[0], 2e-6 * sum.cpu_values()[0]);
    EXPECT_EQ(sum.gpu_values(gpu())[1], settings.weighted ? 12.25 : 7.0 + kRows - 1);
    for (std::size_t i = 0; i < kRows; ++i) {
      EXPECT_NEAR(losses.gpu_values(gpu())[i], losses.cpu_values()[i], 1e-5) << i;
      EXPECT_EQ(predicted.gpu_values(gpu())[i], predicted.cpu_values()[i]) << i;
    }

    first = 0;
    for (std::size_t b = 0; b < widths.size(); ++b) {
      const auto run = [&](Kernels& kernels, Matrix logits, const std::int32_t* of_rows, const LogitRow* rows,
                           Rows gradient, const float* row_weights) {
        CrossEntropyTerms terms = settings.terms;
        if (settings.weighted) terms.row_weights = row_weights;
        kernels.run(calls::LogitGradient{.logits = logits,
                                         .shape = settings.shape,
                                         .first_class = first,
                                         .classes = kClasses,
                                         .labels = of_rows,
                                         .statistics = rows,
                                         .terms = terms,
                                         .gradient = gradient});
      };
      run(on_cpu(), blocks[b].cpu(), labels.cpu(), of_cpu(), gradients[b].cpu(), weights.cpu());
      run(on_gpu(), blocks[b].gpu().as<float>(), labels.gpu(), of_gpu(), gradients[b].gpu(), weights.gpu());
      gradients[b].expect_agreement(gpu(), tolerance(1e-5));
      first += widths[b];
    }
  }
}

}  // namespace
}  // namespace temper

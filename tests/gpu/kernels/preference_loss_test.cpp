#include "tests/gpu/gpu_testing.h"

namespace temper {
namespace {

class GpuPreferenceLossTest : public GpuTest {};

TEST_F(GpuPreferenceLossTest, MatchesCpu) {
  const std::vector<std::int32_t> starts{0, 3, 5, 5, 300, 301, 310};
  std::vector<double> losses;
  for (std::int32_t row = 0; row < starts.back(); ++row) losses.push_back(0.01 * (row * 37 % 101));
  TwinArray<std::int32_t> of_sequences(gpu(), starts);
  TwinArray<double> of_rows(gpu(), losses);
  TwinArray<double> references(gpu(), {-1.0, -2.0, 0.0, -150.0, -0.5, -3.0});
  for (const PreferenceTerms& terms :
       {PreferenceTerms{}, PreferenceTerms{PreferenceKind::sigmoid, 0.5, 0.2, true},
        PreferenceTerms{PreferenceKind::ipo, 0.3}, PreferenceTerms{PreferenceKind::ipo, 0.3, 0.0, true}}) {
    TwinArray<float> weights(gpu(), std::vector<float>(losses.size(), -1.0F));
    TwinArray<double> sum(gpu(), {0.5, 7.0, 1.0, 2.0});
    const auto run = [&](Kernels& kernels, const double* rows, const std::int32_t* sequences, const double* known,
                         float* weight, double* to) {
      kernels.run(calls::PreferenceLoss{.losses = rows,
                                        .rows = starts.back(),
                                        .starts = sequences,
                                        .references = known,
                                        .pairs = 3,
                                        .terms = terms,
                                        .row_weights = weight,
                                        .sum = to,
                                        .measures = to + 2});
    };
    run(on_cpu(), of_rows.cpu(), of_sequences.cpu(), references.cpu(), weights.cpu(), sum.cpu());
    run(on_gpu(), of_rows.gpu(), of_sequences.gpu(), references.gpu(), weights.gpu(), sum.gpu());
    for (std::size_t i = 0; i < 4; ++i)
      EXPECT_NEAR(sum.gpu_values(gpu())[i], sum.cpu_values()[i], 1e-12 * (1.0 + std::abs(sum.cpu_values()[i]))) << i;
    for (std::size_t i = 0; i < losses.size(); ++i)
      ASSERT_NEAR(weights.gpu_values(gpu())[i], weights.cpu_values()[i], 1e-7) << i;
  }
}

}  // namespace
}  // namespace temper

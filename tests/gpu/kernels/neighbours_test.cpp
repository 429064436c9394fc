#include "tests/gpu/gpu_testing.h"

namespace temper {
namespace {

class GpuNeighboursTest : public GpuActivationsTest {};
TEMPER_FOR_EACH_TYPE(GpuNeighboursTest);

TEST_P(GpuNeighboursTest, MatchCpuBothWays) {
  TwinArray<std::int32_t> starts(gpu(), {0, 4, 5, 5, 80});
  TwinArray<std::int32_t> lengths(gpu(), {3, 1, 0, 75});
  for (const Lie lie : kLies) {
    for (const std::int64_t span : {1, 3, 5}) {
      TwinMatrix x = TwinMatrix::random(gpu(), type(), 80, 7, 1, lie);
      TwinMatrix y = TwinMatrix::random(gpu(), type(), 80, 7 * span, 2, lie);
      TwinMatrix dx = TwinMatrix::random(gpu(), type(), 80, 7, 3, lie);
      const PackedSequences on_cpu_side{80, 4, starts.cpu(), nullptr, 75, nullptr, nullptr, lengths.cpu()};
      const PackedSequences on_gpu_side{80, 4, starts.gpu(), nullptr, 75, nullptr, nullptr, lengths.gpu()};
      on_cpu().run(calls::GatherNeighbours{.x = x.cpu(), .sequences = on_cpu_side, .span = span, .y = y.cpu()});
      on_gpu().run(calls::GatherNeighbours{.x = x.gpu(), .sequences = on_gpu_side, .span = span, .y = y.gpu()});
      y.expect_agreement(gpu(), 0.0);
      on_cpu().run(calls::AddNeighbours{.dy = y.cpu(), .sequences = on_cpu_side, .span = span, .dx = dx.cpu()});
      on_gpu().run(calls::AddNeighbours{.dy = y.gpu(), .sequences = on_gpu_side, .span = span, .dx = dx.gpu()});
      dx.expect_agreement(gpu(), tolerance(1e-6));
    }
  }
}

}  // namespace
}  // namespace temper

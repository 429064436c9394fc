// Sums over whole arrays, in blocks whose borders depend on the length alone.
#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/vector/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/reduction.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {

void add_arrays(const float* a, const float* b, float* out, std::int64_t n) {
  const Floats d;
  const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
    access.store(hn::Add(access.load(d, a + i), access.load(d, b + i)), d, out + i);
  };
  for_each_vector(d, n, step);
}

double sum_squares(const float* x, std::int64_t n) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> narrow;
  // Four sums, or each addition would wait for the one before it.
  constexpr std::int64_t kSums = 4;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto sum0 = hn::Zero(d);
  auto sum1 = hn::Zero(d);
  auto sum2 = hn::Zero(d);
  auto sum3 = hn::Zero(d);
  std::int64_t i = 0;
  for (; i + kSums * lanes <= n; i += kSums * lanes) {
    const auto x0 = hn::PromoteTo(d, hn::LoadU(narrow, x + i));
    const auto x1 = hn::PromoteTo(d, hn::LoadU(narrow, x + i + lanes));
    const auto x2 = hn::PromoteTo(d, hn::LoadU(narrow, x + i + 2 * lanes));
    const auto x3 = hn::PromoteTo(d, hn::LoadU(narrow, x + i + 3 * lanes));
    sum0 = hn::MulAdd(x0, x0, sum0);
    sum1 = hn::MulAdd(x1, x1, sum1);
    sum2 = hn::MulAdd(x2, x2, sum2);
    sum3 = hn::MulAdd(x3, x3, sum3);
  }
  double sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3))));
  for (; i < n; ++i) {
    sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  }
  return sum;
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(add_arrays);
HWY_EXPORT(sum_squares);

void CpuKernels::run(const calls::Add& call) {
  parallel_ranges(call.n, 1, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(add_arrays)(call.a + begin, call.b + begin, call.out + begin, end - begin);
  });
}

void CpuKernels::run(const calls::AddTree& call) {
  // What a few blocks of scratch take stays in the first-level cache. The last sum goes straight to where it belongs.
  constexpr std::int64_t kBlock = 1024;
  std::size_t most = 0;
  std::size_t depth = 0;
  for (const TreeStep step : call.postfix) {
    depth = step == TreeStep::input ? depth + 1 : depth - 1;
    most = std::max(most, depth);
  }
  const bool one_sum = call.postfix.size() <= 3;
  const auto add_blocks = [&](std::int64_t first, std::int64_t end) {
    std::vector<float> scratch(one_sum ? 0 : static_cast<std::size_t>(kBlock) * (most - 1));
    std::array<const float*, calls::AddTree::kMostDepth> open{};
    for (std::int64_t begin = first; begin < end; begin += kBlock) {
      const std::int64_t length = std::min(kBlock, end - begin);
      std::size_t next = 0;
      std::size_t held = 0;
      for (std::size_t i = 0; i < call.postfix.size(); ++i) {
        if (call.postfix[i] == TreeStep::input) {
          open[held++] = call.inputs[next++] + begin;
          continue;
        }
        --held;
        const bool last = i + 1 == call.postfix.size();
        float* sum = last ? call.out + begin : scratch.data() + static_cast<std::int64_t>(held - 1) * kBlock;
        HWY_DYNAMIC_DISPATCH(add_arrays)(open[held - 1], open[held], sum, length);
        open[held - 1] = sum;
      }
      if (open.front() != call.out + begin) {
        std::copy_n(open.front(), length, call.out + begin);
      }
    }
  };
  parallel_ranges(call.n, static_cast<std::int64_t>(call.inputs.size()), add_blocks, kBlock);
}

void CpuKernels::run(const calls::ChunkSquareSums& call) {
  parallel_ranges(call.chunks, call.chunk, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      call.sums[i] = HWY_DYNAMIC_DISPATCH(sum_squares)(call.x + i * call.chunk, call.chunk);
    }
  });
}

}  // namespace temper
#endif  // HWY_ONCE

#include "tensor/kernels/cpu/matmul/multiply_add_loop.h"

#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "tensor/kernels/cpu/vector/instruction_set.h"
#include "tensor/kernels/cpu/vector/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/matmul/multiply_add_loop.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/matmul/panel_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {

namespace {

/// Enough for two multiplications and two additions in each cycle, of which each waits three to five for its result.
constexpr int kSums = HWY_TARGET == HWY_AVX3 ? 24 : 12;

}  // namespace

/// Returns something made of the results, so that they are not optimised away.
float multiply_and_add_floats(std::int64_t turns) {
  PanelVector sums[kSums];
  HWY_UNROLL(24)
  for (int i = 0; i < kSums; ++i) sums[i] = same_in_all(static_cast<float>(i));
  // Towards 1, and far from denormals.
  const auto factor = same_in_all(0.75F);
  const auto summand = same_in_all(0.25F);
  for (std::int64_t turn = 0; turn < turns; ++turn) {
    HWY_UNROLL(24)
    for (int i = 0; i < kSums; ++i) sums[i] = multiply_add(sums[i], factor, summand);
  }
  HWY_ALIGN float lanes[kLanes];
  float sum = 0.0F;
  for (int i = 0; i < kSums; ++i) {
    store_panel(sums[i], lanes);
    sum += lanes[0];
  }
  return sum;
}

std::int64_t float_operations_of_turn() { return 2 * kSums * kLanes; }

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(multiply_and_add_floats);
HWY_EXPORT(float_operations_of_turn);

namespace {

float multiply_and_add_widest_floats(std::int64_t turns) {
  return HWY_DYNAMIC_DISPATCH(multiply_and_add_floats)(turns);
}

constexpr std::int64_t kTurns = 1 << 16;

/// One thread's loop, and the operations of a turn.
struct Loop {
  float (*run)(std::int64_t turns);
  double operations_of_turn;
};

#if defined(__x86_64__)
constexpr int kPairSums = 24;

__attribute__((target("avx512f,avx512bf16"))) float multiply_and_add_pairs(std::int64_t turns) {
  __m512 sums[kPairSums];
#pragma GCC unroll 24
  for (int i = 0; i < kPairSums; ++i) sums[i] = _mm512_set1_ps(static_cast<float>(i));
  // 1 and -1 in turn with 1 and 1, so that the sums stay as they are.
  const auto signs = reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(0xBF803F80U)));
  const auto ones = reinterpret_cast<__m512bh>(_mm512_set1_epi32(0x3F803F80));
  for (std::int64_t turn = 0; turn < turns; ++turn) {
#pragma GCC unroll 24
    for (int i = 0; i < kPairSums; ++i) sums[i] = _mm512_dpbf16_ps(sums[i], signs, ones);
  }
  alignas(64) float lanes[16];
  float sum = 0.0F;
  for (int i = 0; i < kPairSums; ++i) {
    _mm512_store_ps(lanes, sums[i]);
    sum += lanes[0];
  }
  return sum;
}

/// Intel's "Architecture instruction set extensions programming reference", chapter on AMX.
struct TileConfiguration {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

__attribute__((target("amx-tile,amx-bf16"))) float multiply_and_add_tiles(std::int64_t turns) {
  // oneDNN has asked the system for leave to use tiles, for the whole process.
  const TileConfiguration configuration;
  _tile_loadconfig(&configuration);
  alignas(64) std::uint16_t factors[16 * 32];
  std::fill_n(factors, 16 * 32, std::uint16_t{0x3F80});
  _tile_loadd(6, factors, 64);
  _tile_loadd(7, factors, 64);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (std::int64_t turn = 0; turn < turns; ++turn) {
    _tile_dpbf16ps(0, 6, 7);
    _tile_dpbf16ps(1, 6, 7);
    _tile_dpbf16ps(2, 6, 7);
    _tile_dpbf16ps(3, 6, 7);
  }
  alignas(64) float sums[16 * 16];
  _tile_stored(0, sums, 64);
  _tile_release();
  return sums[0];
}
#endif

/// No loop where there are no such instructions.
Loop loop_of(DType type) {
  if (type == DType::f32)
    return {multiply_and_add_widest_floats, static_cast<double>(HWY_DYNAMIC_DISPATCH(float_operations_of_turn)())};
#if defined(__x86_64__)
  if (type == DType::bf16 && may_use(InstructionSet::amx)) return {multiply_and_add_tiles, 4.0 * 2 * 16 * 16 * 32};
  if (type == DType::bf16 && may_use(InstructionSet::avx512_bf16))
    return {multiply_and_add_pairs, 2.0 * kPairSums * 32};
#endif
  return {nullptr, 0.0};
}

}  // namespace

double run_multiply_adds(DType type) {
  const Loop loop = loop_of(type);
  if (loop.run == nullptr) return 0.0;
  const int threads = omp_get_max_threads();
  static std::atomic<float> results{0.0F};
  std::atomic<std::int64_t> members{0};
  parallel_team(threads, [&](std::int64_t /*member*/, std::int64_t all) {
    results.store(loop.run(kTurns), std::memory_order_relaxed);
    members.store(all, std::memory_order_relaxed);
  });
  return static_cast<double>(members.load()) * static_cast<double>(kTurns) * loop.operations_of_turn;
}

}  // namespace temper
#endif  // HWY_ONCE

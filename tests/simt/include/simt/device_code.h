// The language of device code: qualifiers, the thread's place, barriers, warp collectives and intrinsics.
//
// Note: __shared__ is `static`. Blocks run one after the other, so one copy serves them all; as on the device it is not
// cleared between blocks. There are no atomics on floats: no result of Temper may depend on an order that nobody fixed.
#pragma once

// Before the macros below: the C library declares names such as __expf itself.
#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "simt/vector_types.h"

// NOLINTBEGIN: names are CUDA's
#define __global__
#define __device__
#define __host__
#define __constant__
#define __shared__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(...)
#define __grid_constant__
#define __maxnreg__(...)

extern uint3 threadIdx;
extern uint3 blockIdx;
extern dim3 blockDim;
extern dim3 gridDim;
inline constexpr int warpSize = 32;

namespace simt {

/// Where in the source a thread waits.
struct Site {
  const char* file;
  int line;
};
constexpr Site here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) { return {file, line}; }

enum class Vote : std::uint8_t { none, any, all, count };
/// Waits for every thread of the block; returns the vote over their predicates.
int block_barrier(const char* what, Vote vote, bool predicate, Site site);

/// What a collective does once all lanes of `active` are there: lanes[i] is what lane i brought.
using Resolve = void (*)(void* const* lanes, unsigned active);
/// Waits for every lane of `mask`; the last one resolves. `what` names the collective.
void warp_collective(const char* what, unsigned mask, void* mine, Resolve resolve, Site site);
/// The same for instructions that take all 32 lanes.
void full_warp_collective(const char* what, void* mine, Resolve resolve, Site site);

/// This thread's lane.
int lane();
/// The value of lane `source`, or, where that one takes no part, a value that nobody would take for a result.
std::uint64_t shuffle(const char* what, unsigned mask, std::uint64_t value, int source, Site site);
unsigned ballot(const char* what, unsigned mask, bool predicate, Site site);
/// The reduction of the lanes' values: '+', '<' (minimum), '>' (maximum), '&', '|', '^'.
std::int64_t reduce(const char* what, unsigned mask, std::int64_t value, char operation, Site site);

template <typename T>
concept Shuffled = std::is_arithmetic_v<T> &&(sizeof(T) == 4 || sizeof(T) == 8);

template <typename T>
T shuffle_value(const char* what, unsigned mask, T value, int source, Site site) {
  using Word = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  return std::bit_cast<T>(static_cast<Word>(shuffle(what, mask, std::bit_cast<Word>(value), source, site)));
}

}  // namespace simt

// ---- barriers ------------------------------------------------------------------------------------------------------
inline void __syncthreads(simt::Site site = simt::here()) {
  simt::block_barrier("__syncthreads", simt::Vote::none, false, site);
}
inline int __syncthreads_or(int predicate, simt::Site site = simt::here()) {
  return simt::block_barrier("__syncthreads_or", simt::Vote::any, predicate != 0, site);
}
inline int __syncthreads_and(int predicate, simt::Site site = simt::here()) {
  return simt::block_barrier("__syncthreads_and", simt::Vote::all, predicate != 0, site);
}
inline int __syncthreads_count(int predicate, simt::Site site = simt::here()) {
  return simt::block_barrier("__syncthreads_count", simt::Vote::count, predicate != 0, site);
}
inline void __syncwarp(unsigned mask = 0xFFFFFFFFU, simt::Site site = simt::here()) {
  simt::warp_collective("__syncwarp", mask, nullptr, nullptr, site);
}
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}

// ---- warp collectives ----------------------------------------------------------------------------------------------
template <simt::Shuffled T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, simt::Site site = simt::here()) {
  const int segment = simt::lane() & ~(width - 1);
  return simt::shuffle_value("__shfl_sync", mask, value, segment | (source & (width - 1)), site);
}
template <simt::Shuffled T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, simt::Site site = simt::here()) {
  const int own = simt::lane();
  const int source = own - static_cast<int>(delta);
  return simt::shuffle_value("__shfl_up_sync", mask, value, source < (own & ~(width - 1)) ? own : source, site);
}
template <simt::Shuffled T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, simt::Site site = simt::here()) {
  const int own = simt::lane();
  const int source = own + static_cast<int>(delta);
  return simt::shuffle_value("__shfl_down_sync", mask, value, source > (own | (width - 1)) ? own : source, site);
}
template <simt::Shuffled T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32, simt::Site site = simt::here()) {
  const int own = simt::lane();
  const int source = own ^ lane_mask;
  return simt::shuffle_value("__shfl_xor_sync", mask, value, source > (own | (width - 1)) ? own : source, site);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, simt::Site site = simt::here()) {
  return simt::ballot("__ballot_sync", mask, predicate != 0, site);
}
inline int __any_sync(unsigned mask, int predicate, simt::Site site = simt::here()) {
  return simt::ballot("__any_sync", mask, predicate != 0, site) != 0 ? 1 : 0;
}
inline int __all_sync(unsigned mask, int predicate, simt::Site site = simt::here()) {
  return simt::ballot("__all_sync", mask, predicate == 0, site) == 0 ? 1 : 0;
}
template <typename T>
concept SimtReduced = std::same_as<T, int> || std::same_as<T, unsigned>;
template <SimtReduced T>
T __reduce_add_sync(unsigned mask, T value, simt::Site site = simt::here()) {
  return static_cast<T>(simt::reduce("__reduce_add_sync", mask, value, '+', site));
}
template <SimtReduced T>
T __reduce_min_sync(unsigned mask, T value, simt::Site site = simt::here()) {
  return static_cast<T>(simt::reduce("__reduce_min_sync", mask, value, '<', site));
}
template <SimtReduced T>
T __reduce_max_sync(unsigned mask, T value, simt::Site site = simt::here()) {
  return static_cast<T>(simt::reduce("__reduce_max_sync", mask, value, '>', site));
}
inline unsigned __reduce_and_sync(unsigned mask, unsigned value, simt::Site site = simt::here()) {
  return static_cast<unsigned>(simt::reduce("__reduce_and_sync", mask, value, '&', site));
}
inline unsigned __reduce_or_sync(unsigned mask, unsigned value, simt::Site site = simt::here()) {
  return static_cast<unsigned>(simt::reduce("__reduce_or_sync", mask, value, '|', site));
}
inline unsigned __reduce_xor_sync(unsigned mask, unsigned value, simt::Site site = simt::here()) {
  return static_cast<unsigned>(simt::reduce("__reduce_xor_sync", mask, value, '^', site));
}

// ---- atomics, on integers only -------------------------------------------------------------------------------------
// A thread is only ever interrupted at a barrier or a collective.
template <typename T>
concept SimtAtomic = std::same_as<T, int> || std::same_as<T, unsigned> || std::same_as<T, unsigned long long>;
template <SimtAtomic T>
T atomicExch(T* place, T value) {
  const T old = *place;
  *place = value;
  return old;
}
template <SimtAtomic T>
T atomicAdd(T* place, std::type_identity_t<T> value) {
  return atomicExch(place, static_cast<T>(*place + value));
}
template <SimtAtomic T>
T atomicMax(T* place, std::type_identity_t<T> value) {
  return atomicExch(place, *place < value ? value : *place);
}
template <SimtAtomic T>
T atomicMin(T* place, std::type_identity_t<T> value) {
  return atomicExch(place, value < *place ? value : *place);
}
template <SimtAtomic T>
T atomicOr(T* place, std::type_identity_t<T> value) {
  return atomicExch(place, static_cast<T>(*place | value));
}
template <SimtAtomic T>
T atomicAnd(T* place, std::type_identity_t<T> value) {
  return atomicExch(place, static_cast<T>(*place & value));
}
template <SimtAtomic T>
T atomicCAS(T* place, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  return atomicExch(place, *place == expected ? value : *place);
}
inline unsigned atomicInc(unsigned* place, unsigned last) {
  return atomicExch(place, *place >= last ? 0U : *place + 1U);
}

// ---- mathematics ---------------------------------------------------------------------------------------------------
#define __expf(x) expf(x)
#define __exp10f(x) exp10f(x)
#define __logf(x) logf(x)
#define __log2f(x) log2f(x)
#define __log10f(x) log10f(x)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)
#define __tanf(x) tanf(x)
#define __tanhf(x) tanhf(x)
#define __powf(x, y) powf(x, y)
inline float rsqrtf(float x) { return 1.0F / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __frcp_rn(float x) { return 1.0F / x; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __frsqrt_rn(float x) { return 1.0F / sqrtf(x); }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fsub_rn(float x, float y) { return x - y; }
inline double __dadd_rn(double x, double y) { return x + y; }
inline double __dmul_rn(double x, double y) { return x * y; }
inline double __fma_rn(double x, double y, double z) { return fma(x, y, z); }
inline float __saturatef(float x) { return x > 0.0F ? fminf(x, 1.0F) : 0.0F; }

inline constexpr int min(int a, int b) { return a < b ? a : b; }
inline constexpr unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
inline constexpr long min(long a, long b) { return a < b ? a : b; }
inline constexpr unsigned long min(unsigned long a, unsigned long b) { return a < b ? a : b; }
inline constexpr long long min(long long a, long long b) { return a < b ? a : b; }
inline constexpr unsigned long long min(unsigned long long a, unsigned long long b) { return a < b ? a : b; }
inline float min(float a, float b) { return fminf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline constexpr int max(int a, int b) { return a < b ? b : a; }
inline constexpr unsigned max(unsigned a, unsigned b) { return a < b ? b : a; }
inline constexpr long max(long a, long b) { return a < b ? b : a; }
inline constexpr unsigned long max(unsigned long a, unsigned long b) { return a < b ? b : a; }
inline constexpr long long max(long long a, long long b) { return a < b ? b : a; }
inline constexpr unsigned long long max(unsigned long long a, unsigned long long b) { return a < b ? b : a; }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

// ---- bits ----------------------------------------------------------------------------------------------------------
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
inline double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }
inline int __float2int_rn(float x) { return static_cast<int>(nearbyintf(x)); }
inline int __float2int_rz(float x) { return static_cast<int>(x); }
inline float __int2float_rn(int x) { return static_cast<float>(x); }
inline float __uint2float_rn(unsigned x) { return static_cast<float>(x); }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((static_cast<std::uint64_t>(a) * b) >> 32);
}
inline int __popc(unsigned x) { return std::popcount(x); }
inline int __popcll(unsigned long long x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline int __ffs(int x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1; }

// ---- memory --------------------------------------------------------------------------------------------------------
template <typename T>
T __ldg(const T* place) {
  return *place;
}
template <typename T>
T __ldcs(const T* place) {
  return *place;
}
template <typename T>
T __ldcg(const T* place) {
  return *place;
}
template <typename T>
void __stcs(T* place, std::type_identity_t<T> value) {
  *place = value;
}
template <typename T>
void __stcg(T* place, std::type_identity_t<T> value) {
  *place = value;
}
template <typename T>
void __stwt(T* place, std::type_identity_t<T> value) {
  *place = value;
}
// NOLINTEND

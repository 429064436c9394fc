// Rotary position embedding. A thread has one pair of a row, with its sine and cosine, and turns it in every head.
#include <algorithm>
#include <cstdint>

#include "tensor/kernels/cuda/cuda_kernels.h"
#include "tensor/kernels/cuda/element.cuh"
#include "tensor/kernels/cuda/launch.cuh"

namespace temper {
namespace {

/// How heads lie, and which of their columns make a pair.
struct Turn {
  std::int64_t heads;
  std::int64_t head_width;
  std::int64_t pairs;
  std::int64_t first_step;   ///< from the first column of a pair to that of the next
  std::int64_t second_from;  ///< from the first column of a pair to its second
  float scale;
  bool backwards;
};

/// By value, so that a recorded launch holds them.
struct Frequencies {
  float of_pair[calls::Rotate::kMostPairs];
};

/// What rows of long sequences are turned by.
struct LongSequences {
  PackedSequences sequences;
  std::int64_t usual_length;
  float growth;
  Frequencies frequencies;
};

/// The tokens of the sequence that a row is of.
__device__ std::int64_t length_around(const PackedSequences& of, std::int64_t row) {
  const std::int32_t* starts = of.query_starts != nullptr ? of.query_starts : of.starts;
  // The last sequence that begins at the row or before it.
  std::int64_t low = 0;
  std::int64_t high = of.sequences;
  while (high - low > 1) {
    const std::int64_t middle = (low + high) / 2;
    (starts[middle] <= row ? low : high) = middle;
  }
  return of.lengths != nullptr ? of.lengths[low] : of.starts[low + 1] - of.starts[low];
}

/// Of a pair in a row; kStretches: where it may be one of a long sequence.
template <bool kStretches>
__device__ float frequency_of(const Frequencies& usual, const LongSequences& beyond, std::int64_t row,
                              std::int64_t pair, std::int64_t pairs) {
  if constexpr (kStretches) {
    const std::int64_t length = length_around(beyond.sequences, row);
    if (length > beyond.usual_length) {
      const float frequency = beyond.frequencies.of_pair[pair];
      if (beyond.growth == 0.0F) return frequency;
      const float share = static_cast<float>(length) / static_cast<float>(beyond.usual_length) - 1.0F;
      const float exponent = -static_cast<float>(pair) / static_cast<float>(pairs - 1);
      return frequency * powf(fmaf(beyond.growth, share, 1.0F), exponent);
    }
  }
  return usual.of_pair[pair];
}

template <typename T, bool kStretches>
__global__ void __launch_bounds__(kThreads)
    rotate(MatrixOf<T> x, const std::uint32_t* positions, const Frequencies frequencies, const LongSequences beyond,
           Turn turn) {
  const Place place = place_in<1>(x.rows, turn.pairs);
  if (place.count == 0) return;
  // Rounded before it is reduced, as everywhere: the product must not become part of a fused one.
  const float frequency = frequency_of<kStretches>(frequencies, beyond, place.row, place.column, turn.pairs);
  const float angle = __fmul_rn(static_cast<float>(positions[place.row]), frequency);
  float sine;
  float cosine;
  sincosf(angle, &sine, &cosine);
  sine *= turn.backwards ? -turn.scale : turn.scale;
  cosine *= turn.scale;
  T* first = row_of(x, place.row) + place.column * turn.first_step;
  for (std::int64_t head = 0; head < turn.heads; ++head, first += turn.head_width) {
    const float a = read(first);
    const float b = read(first + turn.second_from);
    write(fmaf(-b, sine, a * cosine), first);
    write(fmaf(a, sine, b * cosine), first + turn.second_from);
  }
}

}  // namespace

void CudaKernels::run(const calls::Rotate& call) {
  const bool halves = call.layout == RotaryPairs::halves;
  const Turn turn{call.heads, call.head_width(), call.pairs(), halves ? 1 : 2, halves ? call.pairs() : 1,
                  call.scale, call.backwards};
  Frequencies frequencies{};
  std::copy(call.frequencies.begin(), call.frequencies.end(), frequencies.of_pair);
  LongSequences beyond{call.sequences, call.usual_length, call.growth, {}};
  std::copy(call.long_frequencies.begin(), call.long_frequencies.end(), beyond.frequencies.of_pair);
  with_type(call.x.type, [&]<typename T>(std::type_identity<T>) {
    launch(call.usual_length > 0 ? rotate<T, true> : rotate<T, false>, grid_over<1>(call.x.rows, call.pairs()),
           kThreads, 0, stream_, call.x.as<T>(), call.positions, frequencies, beyond, turn);
  });
}

}  // namespace temper

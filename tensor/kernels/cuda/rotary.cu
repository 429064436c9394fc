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

template <typename T>
__global__ void __launch_bounds__(kThreads)
    rotate(MatrixOf<T> x, const std::uint32_t* positions, const Frequencies frequencies, Turn turn) {
  const Place place = place_in<1>(x.rows, turn.pairs);
  if (place.count == 0) return;
  // Rounded before it is reduced, as everywhere: the product must not become part of a fused one.
  const float angle = __fmul_rn(static_cast<float>(positions[place.row]), frequencies.of_pair[place.column]);
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
  with_type(call.x.type, [&]<typename T>(std::type_identity<T>) {
    launch(rotate<T>, grid_over<1>(call.x.rows, call.pairs()), kThreads, 0, stream_, call.x.as<T>(), call.positions,
           frequencies, turn);
  });
}

}  // namespace temper

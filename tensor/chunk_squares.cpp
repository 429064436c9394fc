#include "tensor/chunk_squares.h"

namespace temper {

void square_sum_of_chunk(Kernels& kernels, const ArenaLayout& layout, const float* gradients, std::int64_t chunk,
                         double* sum) {
  constexpr std::int64_t kChunk = ArenaLayout::kChunk;
  if (!layout.has_idle()) {
    kernels.chunk_square_sums(gradients + chunk * kChunk, kChunk, 1, sum);
    return;
  }
  *sum = 0.0;
  layout.for_each_active({chunk * kChunk, (chunk + 1) * kChunk}, [&](ElementRange part) {
    double of_part = 0.0;
    kernels.chunk_square_sums(gradients + part.begin, part.size(), 1, &of_part);
    *sum += of_part;
  });
}

}  // namespace temper

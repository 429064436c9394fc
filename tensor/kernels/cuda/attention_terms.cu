// Gradients of what distances add to scores. A warp has a row, a query's or a key's, of one head, and goes through the
// scores that the row has a part in, one after the other; each lane adds what falls into its buckets, so that every sum
// has its order. Where all queries share one row, their sums are added in the order of the queries.
#include "tensor/kernels/cuda/attention_terms.cuh"

#include "tensor/kernels/cuda/dynamic_shared.cuh"
#include "tensor/kernels/cuda/launch.cuh"
#include "tensor/kernels/cuda/scratch.h"

namespace temper {
namespace {

constexpr int kLanes = 32;
constexpr int kWarps = 4;
constexpr int kTermThreads = kLanes * kWarps;

__device__ inline void add_term(const TermsOf<void>& terms, std::int64_t place, float value, bool accumulate) {
  if (terms.type == DType::bf16) {
    auto* to = static_cast<BFloat16*>(terms.data) + place;
    write(value + (accumulate ? read(to) : 0.0F), to);
  } else {
    auto* to = static_cast<float*>(terms.data) + place;
    write(value + (accumulate ? read(to) : 0.0F), to);
  }
}

/// A block has kWarps rows of a sequence and a head; each of its warps sums a row's buckets in shared memory, [count].
/// `shared` [rows of the batch, heads, count] receives them where all rows share one; null: they go to `to`.
template <bool kOfKeys>
__global__ void __launch_bounds__(kTermThreads) term_gradient_kernel(const AttentionGrid grid, const TermsOf<void> to,
                                                                     bool accumulate, const float* ds, float* shared) {
  const BlockPart part = part_of_block(grid, kWarps);
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const int warp = static_cast<int>(threadIdx.x) / kLanes;
  const int row = part.first + warp;
  if (row >= (kOfKeys ? part.tokens : part.queries)) return;
  const RelativeTerms& relative = grid.relative;
  const int count = static_cast<int>(relative.count);
  float* sums = reinterpret_cast<float*>(dynamic_shared()) + warp * count;
  for (int b = lane; b < count; b += kLanes) sums[b] = 0.0F;
  __syncwarp();
  const float* of_head = ds + (part.head * grid.queries + part.query_start) * grid.longest;
  const int others = kOfKeys ? part.queries : part.tokens;
  for (int i = 0; i < others; ++i) {
    const int query = kOfKeys ? i : row;
    const int key = kOfKeys ? row : i;
    const int position = static_cast<int>(part.position(query));
    if (!grid.sees_all && (key < position - grid.left || key > position + grid.right)) continue;
    const int bucket = static_cast<int>(relative.buckets[position - key + relative.reach - 1] - relative.first_bucket);
    if (bucket % kLanes == lane) sums[bucket] += of_head[query * grid.longest + key];
  }
  __syncwarp();
  const std::int64_t batch_row = (kOfKeys ? part.token_start : part.query_start) + row;
  for (int b = lane; b < count; b += kLanes) {
    if (shared != nullptr)
      shared[(batch_row * grid.heads + part.head) * count + b] = sums[b];
    else
      add_term(to, place_of_term(to, batch_row, part.head, b), relative.scale * sums[b], accumulate);
  }
}

/// A thread for each head and bucket.
template <bool kOfKeys>
__global__ void __launch_bounds__(kTermThreads)
    shared_term_kernel(const AttentionGrid grid, const TermsOf<void> to, bool accumulate, const float* shared) {
  const int count = static_cast<int>(grid.relative.count);
  const int place = static_cast<int>(blockIdx.x) * kTermThreads + static_cast<int>(threadIdx.x);
  if (place >= grid.heads * count) return;
  double sum = 0.0;
  for (int s = 0; s < grid.sequences; ++s) {
    const BlockPart part = part_of_sequence(grid, s);
    const std::int64_t start = kOfKeys ? part.token_start : part.query_start;
    const int rows = kOfKeys ? part.tokens : part.queries;
    for (int i = 0; i < rows; ++i) sum += static_cast<double>(shared[(start + i) * grid.heads * count + place]);
  }
  add_term(to, place_of_term(to, 0, place / count, place % count), grid.relative.scale * static_cast<float>(sum),
           accumulate);
}

template <bool kOfKeys>
void start(const AttentionGrid& grid, const TermsOf<void>& to, bool accumulate, std::int64_t rows, const float* ds,
           Memory& memory, cudaStream_t stream) {
  if (to.data == nullptr) return;
  const auto count = grid.relative.count;
  const bool is_shared = to.is_shared();
  const DeviceScratch<float> shared(memory, is_shared ? rows * grid.heads * count : 0);
  const AttentionGrid tiled = grid.in_tiles_of(kWarps);
  launch(term_gradient_kernel<kOfKeys>, tiled.blocks(), kTermThreads,
         static_cast<std::size_t>(kWarps * count) * sizeof(float), stream, tiled, to, accumulate, ds,
         is_shared ? shared.data() : nullptr);
  if (!is_shared) return;
  const auto blocks = static_cast<unsigned>((grid.heads * count + kTermThreads - 1) / kTermThreads);
  launch(shared_term_kernel<kOfKeys>, dim3(blocks), kTermThreads, 0, stream, grid, to, accumulate, shared.data());
}

}  // namespace

void start_term_gradients(const AttentionGrid& grid, const RelativeGradients& gradients, const float* ds,
                          Memory& memory, cudaStream_t stream) {
  start<false>(grid, gradients.query, gradients.accumulate_query, grid.queries, ds, memory, stream);
  start<true>(grid, gradients.key, gradients.accumulate_key, grid.tokens, ds, memory, stream);
}

}  // namespace temper

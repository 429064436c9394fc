// How gradients become their sum over all ranks, and updated parameters reach all ranks. Every rank owns a slice of
// each bucket: it alone receives the sum of that slice, keeps the optimizer state for it and updates it (ZeRO stage 1;
// Rajbhandari, Rasley, Ruwase, He: "ZeRO: memory optimizations toward training trillion parameter models", 2020).
//
// Two ways lie behind one interface: ranks of one node share a window and sum straight out of each other's gradients
// into the one copy of the parameters that the node has; ranks on several nodes send slices. Both add along the tree of
// comm/fixed_tree.h, so both give the same bits.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "comm/communicator.h"
#include "comm/fixed_tree.h"
#include "tensor/arena.h"
#include "tensor/kernels.h"

namespace temper {

/// The buckets of an arena and who owns what of them.
struct BucketPlan {
  std::vector<ElementRange> buckets;
  /// slices[bucket][rank]: multiples of a chunk, together the bucket. Who comes first in a bucket changes from bucket
  /// to bucket, so that small buckets do not all fall to the same ranks.
  std::vector<std::vector<ElementRange>> slices;

  BucketPlan() = default;
  BucketPlan(const ArenaLayout& layout, int ranks, std::int64_t bucket_elements);
  /// The ranges of one rank, ascending.
  [[nodiscard]] std::vector<ElementRange> owned_by(int rank) const;
};

class GradientExchange {
 public:
  GradientExchange() = default;
  GradientExchange(const GradientExchange&) = delete;
  GradientExchange& operator=(const GradientExchange&) = delete;
  virtual ~GradientExchange() = default;

  [[nodiscard]] virtual const BucketPlan& plan() const = 0;
  /// The parameters, in the arena's layout: one copy a node or one a rank.
  virtual std::span<float> parameters() = 0;
  /// This rank's gradient buffers, `buffers` of them, in the arena's layout.
  virtual float* buffer(int index) = 0;

  /// The sums of this rank's nodes of the tree are final within the bucket; buffers[i] holds nodes[i]'s. The buffers
  /// stay untouched until finish(). Reduction of complete buckets goes on inside this call.
  virtual void publish(int bucket, std::span<const TreeNode> nodes, std::span<const int> buffers) = 0;
  /// Waits until this rank's slices of all buckets are reduced and nobody reads parameters of the old step any more.
  virtual void finish() = 0;
  /// The reduced gradients: valid in this rank's slices, after finish().
  virtual const float* reduced() = 0;
  /// Makes this rank's updated slices of the parameters visible everywhere. All ranks call it.
  virtual void share_parameters() = 0;
};

struct ExchangeRequest {
  ArenaLayout layout;
  int leaves = 1;   ///< of the tree: grains
  int buffers = 1;  ///< gradient buffers of this rank
  std::int64_t bucket_elements = 1 << 20;
  bool share_memory = true;  ///< false: messages even inside a node
};

/// Collective. Uses shared memory where all ranks are on one node and it has room.
std::unique_ptr<GradientExchange> make_gradient_exchange(Communicator& communicator, Kernels& kernels,
                                                         const ExchangeRequest& request);

}  // namespace temper

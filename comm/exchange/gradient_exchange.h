// How gradients become their sum over all ranks. Every rank owns a slice of each bucket: it alone receives the sum of
// that slice, keeps the optimizer state for it and updates it (ZeRO stage 1; Rajbhandari, Rasley, Ruwase, He: "ZeRO:
// memory optimizations toward training trillion parameter models", 2020). How what it updated reaches all ranks is in
// comm/exchange/parameter_exchange.h.
//
// One interface has several implementations: on the CPU, ranks of one node share a window and sum directly from each
// other's gradients (comm/exchange/window_exchange.h), and nodes send each other their sums
// (comm/exchange/node_exchange.h); GPUs exchange theirs over NCCL, or through the host
// (comm/exchange/device_exchange.h). All add along the tree of comm/fixed_tree.h, so all give the same bits, unless
// NCCL's own order or rounding is asked for.
//
// Pointers to gradients are to memory of the device.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "comm/communicator.h"
#include "comm/exchange/bucket_plan.h"
#include "comm/exchange/error_feedback.h"
#include "comm/exchange/gradient_squares.h"
#include "comm/exchange/rank_links.h"
#include "comm/exchange/sparse_rows.h"
#include "comm/fixed_tree.h"
#include "tensor/arena.h"
#include "tensor/device.h"

namespace temper {

class GradientExchange {
 public:
  GradientExchange() = default;
  GradientExchange(const GradientExchange&) = delete;
  GradientExchange& operator=(const GradientExchange&) = delete;
  virtual ~GradientExchange() = default;

  [[nodiscard]] virtual const BucketPlan& plan() const = 0;
  /// This rank's gradient buffers, `buffers` of them, in the arena's layout.
  virtual float* buffer(int index) = 0;

  /// The sums of this rank's nodes of the tree are final within the bucket; buffers[i] holds nodes[i]'s. The buffers
  /// stay untouched until finish(). Complete buckets are reduced inside this call.
  virtual void publish(int bucket, std::span<const TreeNode> nodes, std::span<const int> buffers) = 0;
  /// Waits until this rank's slices of all buckets are reduced and no rank still reads parameters of the old step.
  virtual void finish() = 0;
  /// The reduced gradients: valid in this rank's slices, after finish().
  virtual const float* reduced() = 0;
};

/// In which order the ranks' gradients are added: along the fixed tree, with the same bits on any number of ranks; or
/// as the library chooses, with the same bits on the same number of ranks of the same machine. Only NCCL has an order
/// of its own.
enum class SumOrder : std::uint8_t { fixed, library };

/// How sums go from node to node, or from rank to rank where ranks send messages. bf16: rounded, with error feedback
/// (comm/exchange/error_feedback.h). The bits then depend on which ranks share memory.
enum class Compression : std::uint8_t { none, bf16 };

/// What an exchange is built with. Whom the pointers are to must outlive it.
struct ExchangeRequest {
  ArenaLayout layout;
  BucketPlan plan;
  int leaves = 1;   ///< of the tree: grains
  int buffers = 1;  ///< gradient buffers of this rank
  RankLinks links = {};
  SumOrder sum_order = SumOrder::fixed;
  /// The table of which only live rows are exchanged, and which is zero in all other rows of the buffers when they are
  /// published. Null, as it must be where the host's memory is not the device's: all rows of all parameters.
  SparseRows* rows = nullptr;
  ErrorFeedback* residuals = nullptr;  ///< of what goes to other nodes; null: it is not rounded
  GradientSquares* squares = nullptr;  ///< who may be told of chunks that have just been summed; null: nobody
};

/// Collective. Of the way that Route says (comm/exchange/rank_links.h).
std::unique_ptr<GradientExchange> make_gradient_exchange(Communicator& communicator, Device& device,
                                                         const ExchangeRequest& request);

}  // namespace temper

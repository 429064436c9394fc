// How gradients become their sum over all ranks, and updated parameters reach all ranks. Every rank owns a slice of
// each bucket: it alone receives the sum of that slice, keeps the optimizer state for it and updates it (ZeRO stage 1;
// Rajbhandari, Rasley, Ruwase, He: "ZeRO: memory optimizations toward training trillion parameter models", 2020).
//
// Several ways lie behind one interface: on the CPU, ranks of one node share a window and sum straight out of each
// other's gradients into the one copy of the parameters that the node has, and nodes send each other their sums
// (comm/exchange/node_exchange.h); GPUs exchange theirs over NCCL, or through the host
// (comm/exchange/device_exchange.h). All add along the tree of comm/fixed_tree.h, so all give the same bits, unless
// NCCL's own order or rounding is asked for.
//
// Pointers to parameters and gradients are to memory of the device.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "comm/communicator.h"
#include "comm/exchange/bucket_plan.h"
#include "comm/exchange/rank_tree.h"
#include "comm/exchange/sparse_table.h"
#include "tensor/arena.h"
#include "tensor/bfloat16.h"
#include "tensor/device.h"

namespace temper {

class GradientExchange {
 public:
  GradientExchange() = default;
  GradientExchange(const GradientExchange&) = delete;
  GradientExchange& operator=(const GradientExchange&) = delete;
  virtual ~GradientExchange() = default;

  [[nodiscard]] virtual const BucketPlan& plan() const = 0;
  /// The parameters, in the arena's layout: one copy a node or one a rank.
  virtual float* parameters() = 0;
  /// The parameters rounded to bf16, in the arena's layout and beside them: one copy a node or one a rank. Whoever
  /// updates a slice rounds it as well; share_parameters() makes both visible. Null where none was asked for, and on
  /// GPUs.
  virtual BFloat16* working() { return nullptr; }
  /// This rank's gradient buffers, `buffers` of them, in the arena's layout.
  virtual float* buffer(int index) = 0;

  /// The table of which only live rows are exchanged, and which is zero in all other rows of the buffers when they are
  /// published; null: every row of every parameter is exchanged (on GPUs, always).
  [[nodiscard]] virtual const TablePlace* table() const { return nullptr; }
  /// Before the first publish(), where there is a table: the rows that this rank's buffers may hold something in.
  virtual void begin_step(const RowSet& /*rows*/) {}
  /// After finish(), where there is a table: the rows that some rank's buffers held something in. reduced() is zero in
  /// the others, provided that its memory was where it is a buffer's.
  [[nodiscard]] virtual const RowSet& live_rows() const;

  /// The sums of this rank's nodes of the tree are final within the bucket; buffers[i] holds nodes[i]'s. The buffers
  /// stay untouched until finish(). Reduction of complete buckets goes on inside this call.
  virtual void publish(int bucket, std::span<const TreeNode> nodes, std::span<const int> buffers) = 0;
  /// Waits until this rank's slices of all buckets are reduced and nobody reads parameters of the old step any more.
  virtual void finish() = 0;
  /// The reduced gradients: valid in this rank's slices, after finish().
  virtual const float* reduced() = 0;
  /// After finish(): the sums of squares of reduced(), one a chunk of the arena, valid in this rank's slices, where the
  /// exchange took them while the sums were in the cache; null: nobody has taken them.
  virtual const double* squares() { return nullptr; }
  /// Makes this rank's updated slices of the parameters visible everywhere, but for rows of the table that training
  /// does not read. All ranks call it.
  virtual void share_parameters() = 0;
  /// The same with every row.
  virtual void share_all_parameters() { share_parameters(); }
  /// Waits, with the time limit of the communicator, until what was shared is here. Work that reads parameters is
  /// ordered behind it anyway; but a device's queue has an end, and who fills it behind a lost rank hangs without a
  /// limit.
  virtual void wait_for_parameters() {}
  /// What compressed sums still owe (Compression) counts as zero from now on. All ranks call it between the same steps.
  virtual void forget_rounding() {}
};

class NcclCommunicator;

/// In which order the ranks' gradients are added: along the fixed tree, the same bits on any number of ranks; or as the
/// library likes, the same bits on the same number of ranks of the same machine. Only NCCL has an order of its own.
enum class SumOrder : std::uint8_t { fixed, library };

/// How sums go from node to node, or from rank to rank where ranks send messages. bf16: rounded; the error of rounding
/// is kept and added to what is sent in the next step (error feedback: Seide, Fu, Droppo, Li, Yu: "1-bit stochastic
/// gradient descent", 2014; Karimireddy, Rebjock, Stich, Jaggi: "Error feedback fixes SignSGD", 2019). The bits then
/// depend on which ranks share memory.
enum class Compression : std::uint8_t { none, bf16 };

struct ExchangeRequest {
  ArenaLayout layout;
  int leaves = 1;   ///< of the tree: grains
  int buffers = 1;  ///< gradient buffers of this rank
  std::int64_t bucket_elements = 1 << 20;
  bool share_memory = true;          ///< false: messages even inside a node
  NcclCommunicator* nccl = nullptr;  ///< between GPUs; null: through the host
  SumOrder sum_order = SumOrder::fixed;
  bool working = false;  ///< on the CPU: an arena of bf16 beside the parameters
  std::optional<SparseTable> table = std::nullopt;
  Compression compression = Compression::none;
};

/// Collective. On the CPU, uses shared memory between the ranks of a node, unless they are not neighbours; on a GPU,
/// NCCL where the request brings it or there is only one rank.
std::unique_ptr<GradientExchange> make_gradient_exchange(Communicator& communicator, Device& device,
                                                         const ExchangeRequest& request);

}  // namespace temper

// A rank's part of the gradient of one step: the gradients of its grains, summed along the fixed tree as far as this
// rank can, and handed to the exchange bucket by bucket while the backward pass of its last grain is running.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "comm/exchange/gradient_exchange.h"

namespace temper {

struct BucketOptions {
  RankLinks links = {};
  SumOrder sum_order = SumOrder::fixed;
  Compression compression = Compression::none;      ///< where the host's memory is the device's
  std::optional<SparseTable> table = std::nullopt;  ///< likewise
  Timeline* timeline = nullptr;                     ///< where buckets that are closed are noted; may be null
};

/// One step of a rank that owns grains [first, last):
///
///     buckets.begin_step();
///     for (each own grain) {
///       bind the gradients to buckets.begin_grain();      // a whole arena
///       run forward and backward;                          // on the last micro-batch: buckets.complete(slot)
///       buckets.end_grain();
///     }
///     buckets.finish();                                    // now reduced() holds the sum in the own slices
///     buckets.square_sums(sums);                           // of its norm
class GradientBuckets {
 public:
  /// Collective. `leaves` is the number of grains of the global batch.
  GradientBuckets(Communicator& communicator, Device& device, const ArenaLayout& layout, const BucketPlan& plan,
                  int leaves, const BucketOptions& options = {});
  GradientBuckets(const GradientBuckets&) = delete;
  GradientBuckets& operator=(const GradientBuckets&) = delete;

  void begin_step();
  /// Where there is a sparse table: its rows that gradients of this step may be written to.
  void begin_step(const RowSet& rows);
  /// Where the next grain's gradient is written: an array in the arena's layout, its content unspecified; but the
  /// sparse table is zero.
  float* begin_grain();
  /// The gradient of this parameter is final for this grain.
  void complete(std::int64_t slot);
  /// Parameters that were not completed have a gradient of zero.
  void end_grain();
  void finish();

  [[nodiscard]] const BucketPlan& plan() const { return exchange_->plan(); }
  /// The sum of all ranks' gradients, an arena on the device: valid in the own slices, after finish().
  [[nodiscard]] const float* reduced() { return exchange_->reduced(); }
  /// After finish(): sums [layout.chunks()], on the device, of squares of reduced(). Chunks of other ranks are left as
  /// they are.
  void square_sums(double* sums) { squares_.finish(reduced(), rows(), sums); }
  /// Null: gradients are dense.
  [[nodiscard]] const SparseRows* rows() const { return rows_ ? &*rows_ : nullptr; }
  /// Resets the error-feedback residuals of rounded sums (Compression). All ranks call it between the same steps.
  void reset_residuals();
  [[nodiscard]] TreeNode own_grains() const { return grains_; }
  /// How many gradient arenas this rank holds.
  [[nodiscard]] int buffers() const { return buffer_count_; }
  /// How many buffers a rank that owns these grains needs.
  static int count_buffers(int leaves, TreeNode grains);

 private:
  struct Held {
    TreeNode node;
    int buffer;
  };
  /// "Add buffer `source` to buffer `target`".
  struct Merge {
    int target;
    int source;
  };

  /// The nodes that are held once leaf `leaf` is in `buffer`, and the additions that lead there.
  static void push_leaf(int leaves, std::vector<Held>& held, std::vector<Merge>& merges, int leaf, int buffer);
  static int free_buffer(const std::vector<Held>& held);
  void close_bucket(int bucket);

  Device& device_;
  Timeline* timeline_;
  ArenaLayout layout_;
  int leaves_;
  TreeNode grains_;
  int buffer_count_;
  std::optional<SparseRows> rows_;
  std::optional<ErrorFeedback> residuals_;
  GradientSquares squares_;
  std::unique_ptr<GradientExchange> exchange_;  ///< built with the three
  std::vector<int> slots_in_bucket_;

  std::vector<Held> held_;
  std::vector<Merge> merges_;
  int next_grain_ = 0;
  int current_buffer_ = 0;
  std::vector<bool> completed_;
  std::vector<int> open_slots_;
  int next_bucket_ = 0;

  std::vector<RowSet> written_;  ///< rows of the table in which a buffer is not zero
};

}  // namespace temper

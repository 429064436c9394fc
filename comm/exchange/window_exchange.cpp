#include "comm/exchange/window_exchange.h"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "comm/aligned_array.h"
#include "comm/exchange/gradient_window.h"
#include "comm/exchange/rank_tree.h"
#include "tensor/device.h"

namespace temper {
namespace {

/// Ranks of one node, which sum through its window.
class WindowExchange final : public GradientExchange {
 public:
  WindowExchange(Communicator& communicator, Kernels& kernels, const ExchangeRequest& request)
      : communicator_(communicator),
        kernels_(kernels),
        plan_(request.plan),
        tree_(request.leaves, communicator.size()),
        window_(0, communicator.size(), request,
                [&](std::size_t bytes) { return make_node_window(communicator, bytes); }),
        elements_(request.layout.elements()),
        rows_(request.rows),
        squares_(request.squares) {}

  const BucketPlan& plan() const override { return plan_; }
  float* buffer(int index) override { return window_.buffer(communicator_.rank(), index); }

  void publish(int bucket, std::span<const TreeNode> nodes, std::span<const int> buffers) override {
    if (bucket == 0) open_step();
    for (std::size_t i = 0; i < nodes.size(); ++i) window_.buffer_index(communicator_.rank(), i) = buffers[i];
    window_.publish(communicator_.rank(), bucket, step_);
    reduce_ready_buckets();
  }

  void finish() override {
    while (next_ < static_cast<int>(plan_.buckets.size())) {
      communicator_.wait_until([this] { return window_.is_ready(next_, step_); }, "the sum of the gradients");
      reduce_ready_buckets();
    }
  }

  const float* reduced() override { return sums(); }

 private:
  void open_step() {
    ++step_;
    next_ = 0;
    if (rows_ != nullptr) std::ranges::copy(rows_->own().words(), window_.rows(communicator_.rank()).begin());
    // A rank that owns no grain has nothing in its buffers; the others sum into their first.
    if (tree_.nodes_of(communicator_.rank()).empty() && reduced_ == nullptr) reduced_ = map_zeroed(elements_);
  }

  void reduce_ready_buckets() {
    while (next_ < static_cast<int>(plan_.buckets.size()) && window_.is_ready(next_, step_)) {
      if (next_ == 0 && rows_ != nullptr) gather_rows();
      const ElementRange slice =
          plan_.slices[static_cast<std::size_t>(next_)][static_cast<std::size_t>(communicator_.rank())];
      ++next_;
      if (slice.size() == 0) continue;
      if (rows_ == nullptr || !rows_->place().meets(slice)) {
        reduce_whole(slice);
        continue;
      }
      // Memory that nobody else clears still holds the sums of the step before.
      if (reduced_ != nullptr)
        for (const ElementRange range : rows_->place().inside(rows_->before(), slice))
          std::fill_n(reduced_.get() + range.begin, range.size(), 0.0F);
      for (const ElementRange range : rows_->place().live(rows_->live(), slice)) reduce(range);
    }
  }

  void gather_rows() {
    RowSet live(rows_->place().rows());
    for (int rank = 0; rank < communicator_.size(); ++rank)
      std::ranges::transform(live.words(), window_.rows(rank), live.words().begin(), std::bit_or<>());
    rows_->learn(std::move(live));
  }

  [[nodiscard]] float* sums() { return reduced_ != nullptr ? reduced_.get() : buffer(0); }
  void reduce(ElementRange range) {
    inputs_.clear();
    for (int rank = 0; rank < communicator_.size(); ++rank)
      for (std::size_t i = 0; i < tree_.nodes_of(rank).size(); ++i)
        inputs_.push_back(window_.buffer(rank, window_.buffer_index(rank, i)) + range.begin);
    kernels_.run(
        calls::AddTree{.inputs = inputs_, .postfix = tree_.steps(), .out = sums() + range.begin, .n = range.size()});
  }
  /// A slice, whose chunks can be squared.
  void reduce_whole(ElementRange slice) {
    // Chunk by chunk is the way of one thread; several share out the whole slice.
    if (squares_ == nullptr || cpu_threads() > 1) return reduce(slice);
    constexpr std::int64_t kChunk = ArenaLayout::kChunk;
    for (std::int64_t begin = slice.begin; begin < slice.end; begin += kChunk) {
      reduce({begin, begin + kChunk});
      squares_->take(begin / kChunk, sums() + begin);
    }
  }

  Communicator& communicator_;
  Kernels& kernels_;
  BucketPlan plan_;
  RankTree tree_;
  GradientWindow window_;
  std::int64_t elements_;
  SparseRows* rows_;          ///< null: gradients are dense
  GradientSquares* squares_;  ///< may be null
  AlignedArray<float> reduced_;
  std::vector<const float*> inputs_;
  std::uint64_t step_ = 0;
  int next_ = 0;
};

}  // namespace

std::unique_ptr<GradientExchange> make_window_exchange(Communicator& communicator, Kernels& kernels,
                                                       const ExchangeRequest& request) {
  return std::make_unique<WindowExchange>(communicator, kernels, request);
}

}  // namespace temper

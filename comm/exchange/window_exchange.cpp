#include "comm/exchange/window_exchange.h"

#include <algorithm>
#include <functional>
#include <optional>

#include "comm/aligned_array.h"
#include "comm/exchange/gradient_window.h"
#include "tensor/device.h"

namespace temper {
namespace {

/// Ranks of one node, which sum through its window.
class WindowExchange final : public GradientExchange {
 public:
  WindowExchange(Communicator& communicator, Kernels& kernels, const ExchangeRequest& request)
      : communicator_(communicator),
        kernels_(kernels),
        plan_(request.layout, communicator.size(), request.bucket_elements),
        tree_(request.leaves, communicator.size()),
        window_(0, communicator.size(), communicator.rank(), plan_.buckets.size(), request,
                [&](std::size_t bytes) { return make_node_window(communicator, bytes); }),
        elements_(request.layout.elements()),
        squares_(static_cast<std::size_t>(request.layout.chunks())) {
    if (request.table) {
      table_.emplace(request.layout, *request.table);
      live_ = written_ = RowSet(table_->rows());
    }
  }

  const BucketPlan& plan() const override { return plan_; }
  float* parameters() override { return window_.parameters(); }
  BFloat16* working() override { return window_.working(); }
  float* buffer(int index) override { return window_.buffer(communicator_.rank(), index); }

  const TablePlace* table() const override { return table_ ? &*table_ : nullptr; }
  void begin_step(const RowSet& rows) override {
    std::ranges::copy(rows.words(), window_.rows(communicator_.rank()).begin());
  }
  const RowSet& live_rows() const override { return live_; }

  void publish(int bucket, std::span<const TreeNode> nodes, std::span<const int> buffers) override {
    if (bucket == 0) open_step();
    for (std::size_t i = 0; i < nodes.size(); ++i) window_.buffer_index(communicator_.rank(), i) = buffers[i];
    window_.publish(communicator_.rank(), bucket, step_);
    reduce_ready_buckets();
  }

  void finish() override {
    while (next_ < static_cast<int>(plan_.buckets.size())) {
      communicator_.wait_until([this] { return window_.is_ready(next_, step_); }, "the gradients of a bucket");
      reduce_ready_buckets();
    }
  }

  const float* reduced() override { return reduced_ != nullptr ? reduced_.get() : buffer(0); }
  const double* squares() override { return takes_squares() ? squares_.data() : nullptr; }

  void share_parameters() override { communicator_.barrier(); }

 private:
  void open_step() {
    ++step_;
    next_ = 0;
    // A rank that owns no grain has nothing in its buffers; the others sum into their first.
    if (tree_.nodes_of(communicator_.rank()).empty() && reduced_ == nullptr) reduced_ = map_zeroed(elements_);
  }

  void reduce_ready_buckets() {
    while (next_ < static_cast<int>(plan_.buckets.size()) && window_.is_ready(next_, step_)) {
      if (next_ == 0 && table_) gather_rows();
      const ElementRange slice =
          plan_.slices[static_cast<std::size_t>(next_)][static_cast<std::size_t>(communicator_.rank())];
      ++next_;
      if (!table_) {
        if (slice.size() > 0) reduce(slice);
        continue;
      }
      // Memory that nobody else clears still holds the sums of the step before.
      if (reduced_ != nullptr)
        for (const ElementRange range : table_->inside(written_, slice))
          std::fill_n(reduced_.get() + range.begin, range.size(), 0.0F);
      for (const ElementRange range : table_->live(live_, slice)) reduce(range);
    }
  }

  void gather_rows() {
    written_ = live_;
    const std::span<std::uint64_t> live = live_.words();
    std::ranges::fill(live, 0);
    for (int rank = 0; rank < communicator_.size(); ++rank)
      std::ranges::transform(live, window_.rows(rank), live.begin(), std::bit_or<>());
  }

  /// Chunk by chunk is the way of one thread; several share out the whole slice.
  bool takes_squares() const { return !table_ && cpu_threads() == 1; }

  void reduce(ElementRange slice) {
    inputs_.clear();
    for (int rank = 0; rank < communicator_.size(); ++rank)
      for (std::size_t i = 0; i < tree_.nodes_of(rank).size(); ++i)
        inputs_.push_back(window_.buffer(rank, window_.buffer_index(rank, i)) + slice.begin);
    float* out = (reduced_ != nullptr ? reduced_.get() : buffer(0)) + slice.begin;
    if (!takes_squares()) {
      kernels_.add_tree(inputs_, tree_.steps(), out, slice.size());
      return;
    }
    constexpr std::int64_t kChunk = ArenaLayout::kChunk;
    for (std::int64_t begin = slice.begin; begin < slice.end; begin += kChunk, out += kChunk) {
      kernels_.add_tree(inputs_, tree_.steps(), out, kChunk);
      kernels_.chunk_square_sums(out, kChunk, 1, squares_.data() + begin / kChunk);
      for (const float*& input : inputs_) input += kChunk;
    }
  }

  Communicator& communicator_;
  Kernels& kernels_;
  BucketPlan plan_;
  RankTree tree_;
  GradientWindow window_;
  std::int64_t elements_;
  std::optional<TablePlace> table_;
  RowSet live_;
  RowSet written_;  ///< live in the step before
  AlignedArray<float> reduced_;
  std::vector<const float*> inputs_;
  std::vector<double> squares_;
  std::uint64_t step_ = 0;
  int next_ = 0;
};

}  // namespace

std::unique_ptr<GradientExchange> make_window_exchange(Communicator& communicator, Kernels& kernels,
                                                       const ExchangeRequest& request) {
  return std::make_unique<WindowExchange>(communicator, kernels, request);
}

}  // namespace temper

#include "comm/exchange/gradient_exchange.h"

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "comm/aligned_array.h"
#include "comm/exchange/device_exchange.h"
#include "comm/exchange/gradient_window.h"
#include "comm/exchange/node_exchange.h"

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
      kernels_.run(calls::AddTree{.inputs = inputs_, .postfix = tree_.steps(), .out = out, .n = slice.size()});
      return;
    }
    constexpr std::int64_t kChunk = ArenaLayout::kChunk;
    for (std::int64_t begin = slice.begin; begin < slice.end; begin += kChunk, out += kChunk) {
      kernels_.run(calls::AddTree{.inputs = inputs_, .postfix = tree_.steps(), .out = out, .n = kChunk});
      kernels_.run(
          calls::ChunkSquareSums{.x = out, .chunk = kChunk, .chunks = 1, .sums = squares_.data() + begin / kChunk});
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

const RowSet& GradientExchange::live_rows() const {
  throw Error("an exchange without a sparse table was asked for its live rows");
}

RankTree::RankTree(int leaves, int ranks) {
  std::vector<TreeNode> all;
  for (int rank = 0; rank < ranks; ++rank) {
    nodes_.push_back(cover(leaves, leaves_of_rank(leaves, ranks, rank)));
    all.insert(all.end(), nodes_.back().begin(), nodes_.back().end());
  }
  steps_ = tree_steps(leaves, all);
}

std::size_t RankTree::nodes_of_others(int rank) const {
  std::size_t count = 0;
  for (const auto& nodes : nodes_) count += nodes.size();
  return count - nodes_of(rank).size();
}

BucketPlan::BucketPlan(const ArenaLayout& layout, int ranks, std::int64_t bucket_elements, Owners owners) {
  constexpr std::int64_t kChunk = ArenaLayout::kChunk;
  const std::int64_t bucket_chunks = std::max<std::int64_t>(1, bucket_elements / kChunk);
  for (std::int64_t first = 0; first < layout.chunks(); first += bucket_chunks) {
    const std::int64_t last = std::min(first + bucket_chunks, layout.chunks());
    auto& of_ranks = slices.emplace_back();
    for (int rank = 0; rank < ranks; ++rank) {
      const std::size_t shift = owners == Owners::in_turns ? buckets.size() : 0;
      const auto turn =
          static_cast<std::int64_t>((static_cast<std::size_t>(rank) + shift) % static_cast<std::size_t>(ranks));
      of_ranks.push_back(
          {(first + (last - first) * turn / ranks) * kChunk, (first + (last - first) * (turn + 1) / ranks) * kChunk});
    }
    buckets.push_back({first * kChunk, last * kChunk});
  }
}

std::vector<ElementRange> BucketPlan::owned_by(int rank) const {
  std::vector<ElementRange> owned;
  for (const auto& of_ranks : slices)
    if (const ElementRange range = of_ranks[static_cast<std::size_t>(rank)]; range.size() > 0) owned.push_back(range);
  return owned;
}

std::unique_ptr<GradientExchange> make_gradient_exchange(Communicator& communicator, Device& device,
                                                         const ExchangeRequest& request) {
  if (auto* cuda = dynamic_cast<CudaDevice*>(&device);
      cuda != nullptr && (request.nccl != nullptr || communicator.size() == 1))
    return make_device_exchange(communicator, *cuda, request.nccl, request);
  if (!device.shares_host_memory()) return make_staged_exchange(communicator, device, request);
  if (request.share_memory && communicator.topology().nodes == 1)
    return std::make_unique<WindowExchange>(communicator, device.kernels(), request);
  return make_node_exchange(communicator, device.kernels(), request);
}

}  // namespace temper

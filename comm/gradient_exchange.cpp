#include "comm/gradient_exchange.h"

#include <algorithm>
#include <atomic>
#include <functional>

#include "base/error.h"
#include "comm/aligned_array.h"
#include "comm/device_exchange.h"
#include "comm/node_exchange.h"
#include "comm/node_window.h"

namespace temper {
namespace {

/// Ranks of one node. Each rank's part of the window: a header (one counter a bucket, which buffer holds which node,
/// the rows of the table in this step), then the gradient buffers; rank 0's part also has the parameters, first, and
/// behind everything the parameters in bf16. A counter holds the number of the step whose sums the rank has published
/// in that bucket.
class WindowExchange final : public GradientExchange {
 public:
  WindowExchange(Communicator& communicator, Kernels& kernels, const ExchangeRequest& request)
      : communicator_(communicator),
        kernels_(kernels),
        elements_(request.layout.elements()),
        plan_(request.layout, communicator.size(), request.bucket_elements),
        tree_(request.leaves, communicator.size()),
        has_working_(request.working),
        squares_(static_cast<std::size_t>(request.layout.chunks())) {
    if (request.table) {
      table_.emplace(request.layout, *request.table);
      live_ = written_ = RowSet(table_->rows());
    }
    const auto elements = static_cast<std::size_t>(elements_);
    header_bytes_ = header_size();
    std::size_t bytes = header_bytes_ + static_cast<std::size_t>(request.buffers) * elements * sizeof(float);
    // The parameters lie before rank 0's buffers, the working copies behind them.
    if (communicator.rank() == 0) bytes += elements * (sizeof(float) + (has_working_ ? sizeof(BFloat16) : 0));
    window_ = make_node_window(communicator, bytes);
  }

  const BucketPlan& plan() const override { return plan_; }
  float* parameters() override { return floats(0, 0); }
  BFloat16* working() override {
    if (!has_working_) return nullptr;
    // Parts are rounded up to whole pages, of which an arena has a whole number too: this one ends the part.
    const std::span<std::byte> part = window_->part(0);
    return reinterpret_cast<BFloat16*>(part.data() + part.size() -
                                       static_cast<std::size_t>(elements_) * sizeof(BFloat16));
  }
  float* buffer(int index) override { return buffer_of(communicator_.rank(), index); }

  const TablePlace* table() const override { return table_ ? &*table_ : nullptr; }
  void begin_step(const RowSet& rows) override {
    std::ranges::copy(rows.words(), rows_of(communicator_.rank()).begin());
  }
  const RowSet& live_rows() const override { return live_; }

  void publish(int bucket, std::span<const TreeNode> nodes, std::span<const int> buffers) override {
    if (bucket == 0) open_step();
    for (std::size_t i = 0; i < nodes.size(); ++i) buffer_index(communicator_.rank(), i) = buffers[i];
    counter(communicator_.rank(), bucket).store(step_, std::memory_order_release);
    reduce_ready_buckets();
  }

  void finish() override {
    while (next_ < static_cast<int>(plan_.buckets.size())) {
      communicator_.wait_until([this] { return is_ready(next_); }, "the gradients of a bucket");
      reduce_ready_buckets();
    }
  }

  const float* reduced() override { return reduced_ != nullptr ? reduced_.get() : buffer(0); }
  const double* squares() override { return takes_squares() ? squares_.data() : nullptr; }

  void share_parameters() override { communicator_.barrier(); }

 private:
  static constexpr std::size_t kMaxNodes = 64;  // a contiguous range of leaves has at most 2 log2(leaves) nodes

  std::size_t header_size() const {
    const std::size_t counters = plan_.buckets.size() * sizeof(std::uint64_t);
    const std::size_t indices = kMaxNodes * sizeof(int);
    const std::size_t rows = live_.words().size_bytes();
    return (counters + indices + rows + 4095) / 4096 * 4096;
  }
  /// Written before the first counter is released.
  std::span<std::uint64_t> rows_of(int rank) {
    std::byte* header = window_->part(rank).data() + plan_.buckets.size() * sizeof(std::uint64_t);
    return {reinterpret_cast<std::uint64_t*>(header + kMaxNodes * sizeof(int)), live_.words().size()};
  }
  std::atomic_ref<std::uint64_t> counter(int rank, int bucket) {
    return std::atomic_ref(reinterpret_cast<std::uint64_t*>(window_->part(rank).data())[bucket]);
  }
  /// Which of a rank's buffers holds its i-th node; written before the counter is released.
  int& buffer_index(int rank, std::size_t i) {
    std::byte* header = window_->part(rank).data() + plan_.buckets.size() * sizeof(std::uint64_t);
    return reinterpret_cast<int*>(header)[i];
  }
  float* floats(int rank, std::int64_t arena) {
    return reinterpret_cast<float*>(window_->part(rank).data() + header_bytes_) + arena * elements_;
  }
  float* buffer_of(int rank, int index) { return floats(rank, index + (rank == 0 ? 1 : 0)); }

  void open_step() {
    ++step_;
    next_ = 0;
    // A rank that owns no grain has nothing in its buffers; the others sum into their first.
    if (tree_.nodes_of(communicator_.rank()).empty() && reduced_ == nullptr) reduced_ = map_zeroed(elements_);
  }

  bool is_ready(int bucket) {
    for (int rank = 0; rank < communicator_.size(); ++rank)
      if (counter(rank, bucket).load(std::memory_order_acquire) < step_) return false;
    return true;
  }

  void reduce_ready_buckets() {
    while (next_ < static_cast<int>(plan_.buckets.size()) && is_ready(next_)) {
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
      std::ranges::transform(live, rows_of(rank), live.begin(), std::bit_or<>());
  }

  /// Chunk by chunk is the way of one thread; several share out the whole slice.
  bool takes_squares() const { return !table_ && cpu_threads() == 1; }

  void reduce(ElementRange slice) {
    inputs_.clear();
    for (int rank = 0; rank < communicator_.size(); ++rank)
      for (std::size_t i = 0; i < tree_.nodes_of(rank).size(); ++i)
        inputs_.push_back(buffer_of(rank, buffer_index(rank, i)) + slice.begin);
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
  std::int64_t elements_;
  BucketPlan plan_;
  RankTree tree_;
  bool has_working_;
  std::optional<TablePlace> table_;
  RowSet live_;
  RowSet written_;  ///< live in the step before
  std::size_t header_bytes_ = 0;
  std::unique_ptr<NodeWindow> window_;
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

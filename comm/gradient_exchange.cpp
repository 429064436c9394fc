#include "comm/gradient_exchange.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <utility>

#include "base/error.h"
#include "comm/device_exchange.h"
#include "comm/node_window.h"

namespace temper {
namespace {

/// Frees memory of std::aligned_alloc.
struct Free {
  void operator()(void* block) const { std::free(block); }
};
template <typename T>
using AlignedArray = std::unique_ptr<T, Free>;
using AlignedFloats = AlignedArray<float>;

template <typename T = float>
AlignedArray<T> allocate(std::int64_t elements) {
  constexpr std::size_t kPage = 4096;
  const std::size_t bytes = (static_cast<std::size_t>(elements) * sizeof(T) + kPage - 1) / kPage * kPage;
  const std::size_t rounded = std::max(bytes, kPage);
  AlignedArray<T> block(static_cast<T*>(std::aligned_alloc(kPage, rounded)));
  if (block == nullptr) throw Error("out of memory: {} bytes for parameters or gradients", bytes);
  // The padding between parameters is never written again and must count as zero.
  std::memset(static_cast<void*>(block.get()), 0, rounded);
  return block;
}

// ---- ranks of one node ---------------------------------------------------------------------------------------------

/// Each rank's part of the window: a header (one counter a bucket, which buffer holds which node, the rows of the table
/// in this step), then the gradient buffers; rank 0's part also has
/// the parameters, first, and behind everything the parameters in bf16. A counter holds the number of the step whose
/// sums the rank has published in that bucket.
class WindowExchange final : public GradientExchange {
 public:
  WindowExchange(Communicator& communicator, Kernels& kernels, const ExchangeRequest& request)
      : communicator_(communicator),
        kernels_(kernels),
        elements_(request.layout.elements()),
        plan_(request.layout, communicator.size(), request.bucket_elements),
        tree_(request.leaves, communicator.size()),
        has_working_(request.working) {
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
    if (tree_.nodes_of(communicator_.rank()).empty() && reduced_ == nullptr) reduced_ = allocate(elements_);
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

  void reduce(ElementRange slice) {
    inputs_.clear();
    for (int rank = 0; rank < communicator_.size(); ++rank)
      for (std::size_t i = 0; i < tree_.nodes_of(rank).size(); ++i)
        inputs_.push_back(buffer_of(rank, buffer_index(rank, i)) + slice.begin);
    float* out = (reduced_ != nullptr ? reduced_.get() : buffer(0)) + slice.begin;
    kernels_.add_tree(inputs_, tree_.steps(), out, slice.size());
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
  AlignedFloats reduced_;
  std::vector<const float*> inputs_;
  std::uint64_t step_ = 0;
  int next_ = 0;
};

// ---- ranks on several nodes ----------------------------------------------------------------------------------------

/// Sends each owner its slice of this rank's nodes, and receives the others' for the own slice. Of a bucket that the
/// sparse table reaches into only live ranges are sent, one after the other: those of the sender's rows.
class MessageExchange final : public GradientExchange {
 public:
  MessageExchange(Communicator& communicator, Kernels& kernels, const ExchangeRequest& request)
      : communicator_(communicator),
        kernels_(kernels),
        elements_(request.layout.elements()),
        plan_(request.layout, communicator.size(), request.bucket_elements),
        tree_(request.leaves, communicator.size()),
        parameters_(allocate(elements_)),
        reduced_(allocate(elements_)) {
    for (int i = 0; i < request.buffers; ++i) buffers_.push_back(allocate(elements_));
    if (request.working) working_ = allocate<BFloat16>(elements_);
    if (request.table) {
      table_.emplace(request.layout, *request.table);
      trained_ = request.table->trained;
      live_ = written_ = RowSet(table_->rows());
      rows_of_rank_.assign(static_cast<std::size_t>(communicator.size()), live_);
      shown_rows_.resize(live_.words().size() * rows_of_rank_.size());
    }
  }

  const BucketPlan& plan() const override { return plan_; }
  float* parameters() override { return parameters_.get(); }
  BFloat16* working() override { return working_.get(); }
  float* buffer(int index) override { return buffers_[static_cast<std::size_t>(index)].get(); }
  const TablePlace* table() const override { return table_ ? &*table_ : nullptr; }
  const RowSet& live_rows() const override { return live_; }

  void begin_step(const RowSet& rows) override {
    own_rows_ = rows;
    showing_rows_ = communicator_.start_all_gather(std::as_bytes(std::as_const(own_rows_).words()),
                                                   std::as_writable_bytes(std::span(shown_rows_)));
  }

  void publish(int bucket, std::span<const TreeNode> nodes, std::span<const int> buffers) override {
    const auto& slices = plan_.slices[static_cast<std::size_t>(bucket)];
    const auto me = static_cast<std::size_t>(communicator_.rank());
    const bool sparse = table_ && table_->meets(plan_.buckets[static_cast<std::size_t>(bucket)]);
    if (sparse) learn_rows();
    Transfer& transfer = transfers_.emplace_back();
    transfer.slice = slices[me];
    transfer.sums = sparse ? table_->live(live_, slices[me]) : std::vector<ElementRange>{slices[me]};
    std::vector<Outgoing> outgoing;
    std::vector<Incoming> incoming;
    for (std::size_t rank = 0; rank < slices.size(); ++rank) {
      if (rank == me) {
        for (const int index : buffers) transfer.inputs.emplace_back().arena = buffer(index);
        continue;
      }
      for (std::size_t i = 0; i < nodes.size(); ++i) {
        const float* values = buffer(buffers[i]);
        outgoing.push_back({static_cast<int>(rank),
                            sparse ? packed(values, table_->live(rows_of_rank_[me], slices[rank]), transfer.packed)
                                   : bytes_of(values, slices[rank])});
      }
      const std::vector<ElementRange> ranges =
          sparse ? table_->live(rows_of_rank_[rank], slices[me]) : std::vector<ElementRange>{slices[me]};
      for (std::size_t i = 0; i < tree_.nodes_of(static_cast<int>(rank)).size(); ++i) {
        Input& input = transfer.inputs.emplace_back();
        input.ranges = ranges;
        input.received.resize(static_cast<std::size_t>(total_size(ranges)));
      }
    }
    std::size_t next = 0;
    for (std::size_t rank = 0; rank < slices.size(); ++rank)
      for (std::size_t i = 0; i < tree_.nodes_of(static_cast<int>(rank)).size(); ++i, ++next)
        if (rank != me)
          incoming.push_back(
              {static_cast<int>(rank), std::as_writable_bytes(std::span(transfer.inputs[next].received))});
    transfer.pending = communicator_.start_exchange(std::move(outgoing), std::move(incoming));
    while (next_ < transfers_.size() && transfers_[next_].pending->test()) reduce(transfers_[next_++]);
  }

  void finish() override {
    for (; next_ < transfers_.size(); ++next_) {
      transfers_[next_].pending->wait();
      reduce(transfers_[next_]);
    }
    transfers_.clear();
    next_ = 0;
  }

  const float* reduced() override { return reduced_.get(); }

  void share_parameters() override { share(table_ ? &trained_ : nullptr); }
  void share_all_parameters() override { share(nullptr); }

 private:
  /// A node's sums: in a buffer of this rank, or received, the ranges one after the other.
  struct Input {
    const float* arena = nullptr;
    std::vector<ElementRange> ranges;
    std::vector<float> received;
    std::size_t next = 0;    ///< range that is added next
    std::int64_t place = 0;  ///< where it was received
  };
  struct Transfer {
    ElementRange slice;
    std::vector<ElementRange> sums;  ///< of the slice: what is summed
    std::vector<Input> inputs;
    std::deque<std::vector<float>> packed;
    std::unique_ptr<Pending> pending;
  };

  static std::span<const std::byte> bytes_of(const float* arena, ElementRange range) {
    return std::as_bytes(std::span(arena + range.begin, static_cast<std::size_t>(range.size())));
  }
  /// The ranges one after the other, in memory that `keep` holds.
  static std::span<const std::byte> packed(const float* arena, std::span<const ElementRange> ranges,
                                           std::deque<std::vector<float>>& keep) {
    std::vector<float>& values = keep.emplace_back();
    values.reserve(static_cast<std::size_t>(total_size(ranges)));
    for (const ElementRange range : ranges) values.insert(values.end(), arena + range.begin, arena + range.end);
    return std::as_bytes(std::span(std::as_const(values)));
  }

  /// The rows of all ranks, which have been under way since the step began.
  void learn_rows() {
    if (showing_rows_ == nullptr) return;
    showing_rows_->wait();
    showing_rows_ = nullptr;
    written_ = live_;
    live_ = RowSet(table_->rows());
    const std::size_t words = live_.words().size();
    for (std::size_t rank = 0; rank < rows_of_rank_.size(); ++rank) {
      std::copy_n(shown_rows_.begin() + static_cast<std::ptrdiff_t>(rank * words), words,
                  rows_of_rank_[rank].words().begin());
      live_.insert_all_of(rows_of_rank_[rank]);
    }
  }

  void reduce(Transfer& transfer) {
    float* out = reduced_.get();
    if (table_)
      for (const ElementRange range : table_->inside(written_, transfer.slice))
        std::fill_n(out + range.begin, range.size(), 0.0F);
    std::vector<const float*> inputs(transfer.inputs.size());
    for (const ElementRange range : transfer.sums) {
      std::deque<std::vector<float>> spread;
      for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i] = values_in(transfer.inputs[i], range, spread);
      kernels_.add_tree(inputs, tree_.steps(), out + range.begin, range.size());
    }
    transfer.inputs.clear();
    transfer.packed.clear();
  }

  /// An input in the next range of what is summed: as it lies, or with zeros where its rank had no rows, in `keep`.
  static const float* values_in(Input& input, ElementRange range, std::deque<std::vector<float>>& keep) {
    if (input.arena != nullptr) return input.arena + range.begin;
    const auto next = [&] { return input.next < input.ranges.size() && input.ranges[input.next].end <= range.end; };
    if (next() && input.ranges[input.next] == range) {
      const float* from = input.received.data() + input.place;
      ++input.next;
      input.place += range.size();
      return from;
    }
    std::vector<float>& values = keep.emplace_back(static_cast<std::size_t>(range.size()));
    for (; next(); ++input.next) {
      const ElementRange part = input.ranges[input.next];
      std::copy_n(input.received.data() + input.place, part.size(), values.begin() + (part.begin - range.begin));
      input.place += part.size();
    }
    return values.data();
  }

  /// `rows`: of the table, those that are sent; null: all.
  void share(const RowSet* rows) {
    const int me = communicator_.rank();
    std::deque<std::vector<float>> keep;
    std::vector<Outgoing> outgoing;
    std::vector<Incoming> incoming;
    struct Arrival {
      std::vector<ElementRange> ranges;
      std::span<const float> values;
    };
    std::vector<Arrival> arrivals;
    for (const auto& slices : plan_.slices) {
      const auto is_whole = [&](ElementRange slice) { return rows == nullptr || !table_->meets(slice); };
      const ElementRange mine = slices[static_cast<std::size_t>(me)];
      const std::span<const std::byte> sent = is_whole(mine)
                                                  ? bytes_of(parameters_.get(), mine)
                                                  : packed(parameters_.get(), table_->live(*rows, mine), keep);
      for (int rank = 0; rank < communicator_.size(); ++rank) {
        if (rank == me) continue;
        outgoing.push_back({rank, sent});
        const ElementRange slice = slices[static_cast<std::size_t>(rank)];
        Arrival& arrival = arrivals.emplace_back();
        if (is_whole(slice)) {
          const std::span place(parameters_.get() + slice.begin, static_cast<std::size_t>(slice.size()));
          arrival.ranges = {slice};
          incoming.push_back({rank, std::as_writable_bytes(place)});
        } else {
          arrival.ranges = table_->live(*rows, slice);
          const std::span place(keep.emplace_back(static_cast<std::size_t>(total_size(arrival.ranges))));
          arrival.values = place;
          incoming.push_back({rank, std::as_writable_bytes(place)});
        }
      }
    }
    communicator_.exchange(std::move(outgoing), std::move(incoming));
    for (const Arrival& arrival : arrivals) {
      std::size_t next = 0;
      for (const ElementRange range : arrival.ranges) {
        const auto size = static_cast<std::size_t>(range.size());
        if (!arrival.values.empty()) {
          std::ranges::copy(arrival.values.subspan(next, size), parameters_.get() + range.begin);
          next += size;
        }
        if (working_ != nullptr) round(range);
      }
    }
  }

  void round(ElementRange range) {
    std::transform(parameters_.get() + range.begin, parameters_.get() + range.end, working_.get() + range.begin,
                   to_bfloat16);
  }

  Communicator& communicator_;
  Kernels& kernels_;
  std::int64_t elements_;
  BucketPlan plan_;
  RankTree tree_;
  AlignedFloats parameters_;
  AlignedArray<BFloat16> working_;
  AlignedFloats reduced_;
  std::vector<AlignedFloats> buffers_;
  std::optional<TablePlace> table_;
  RowSet trained_;
  RowSet own_rows_;
  RowSet live_;
  RowSet written_;  ///< live in the step before
  std::vector<RowSet> rows_of_rank_;
  std::vector<std::uint64_t> shown_rows_;
  std::unique_ptr<Pending> showing_rows_;
  std::deque<Transfer> transfers_;
  std::size_t next_ = 0;
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
  return std::make_unique<MessageExchange>(communicator, device.kernels(), request);
}

}  // namespace temper

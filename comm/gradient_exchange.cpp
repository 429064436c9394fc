#include "comm/gradient_exchange.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>

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

/// Each rank's part of the window: a header of one counter a bucket, then the gradient buffers; rank 0's part also has
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

  void publish(int bucket, std::span<const TreeNode> nodes, std::span<const int> buffers) override {
    if (bucket == 0) begin_step();
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
    return (counters + indices + 4095) / 4096 * 4096;
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

  void begin_step() {
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
      const ElementRange slice =
          plan_.slices[static_cast<std::size_t>(next_)][static_cast<std::size_t>(communicator_.rank())];
      if (slice.size() > 0) reduce(slice);
      ++next_;
    }
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
  std::size_t header_bytes_ = 0;
  std::unique_ptr<NodeWindow> window_;
  AlignedFloats reduced_;
  std::vector<const float*> inputs_;
  std::uint64_t step_ = 0;
  int next_ = 0;
};

// ---- ranks on several nodes ----------------------------------------------------------------------------------------

/// Sends each owner its slice of this rank's nodes, and receives the others' for the own slice.
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
  }

  const BucketPlan& plan() const override { return plan_; }
  float* parameters() override { return parameters_.get(); }
  BFloat16* working() override { return working_.get(); }
  float* buffer(int index) override { return buffers_[static_cast<std::size_t>(index)].get(); }

  void publish(int bucket, std::span<const TreeNode> nodes, std::span<const int> buffers) override {
    const auto& slices = plan_.slices[static_cast<std::size_t>(bucket)];
    const auto me = static_cast<std::size_t>(communicator_.rank());
    const std::size_t length = static_cast<std::size_t>(slices[me].size());
    Transfer transfer;
    transfer.slice = slices[me];
    transfer.staging = std::vector<float>(tree_.nodes_of_others(communicator_.rank()) * length);
    std::vector<Outgoing> outgoing;
    std::vector<Incoming> incoming;
    float* place = transfer.staging.data();
    for (std::size_t rank = 0; rank < slices.size(); ++rank) {
      if (rank == me) {
        for (std::size_t i = 0; i < nodes.size(); ++i)
          transfer.inputs.push_back(buffer(buffers[i]) + transfer.slice.begin);
        continue;
      }
      for (std::size_t i = 0; i < nodes.size(); ++i) {
        const float* first = buffer(buffers[i]) + slices[rank].begin;
        const std::span values(first, static_cast<std::size_t>(slices[rank].size()));
        outgoing.push_back({static_cast<int>(rank), std::as_bytes(values)});
      }
      for (std::size_t i = 0; i < tree_.nodes_of(static_cast<int>(rank)).size(); ++i) {
        incoming.push_back({static_cast<int>(rank), std::as_writable_bytes(std::span(place, length))});
        transfer.inputs.push_back(place);
        place += length;
      }
    }
    transfer.pending = communicator_.start_exchange(std::move(outgoing), std::move(incoming));
    transfers_.push_back(std::move(transfer));
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

  void share_parameters() override {
    const int me = communicator_.rank();
    std::vector<Outgoing> outgoing;
    std::vector<Incoming> incoming;
    for (int rank = 0; rank < communicator_.size(); ++rank) {
      if (rank == me) continue;
      for (const auto& slices : plan_.slices) {
        const auto values = [&](int owner) {
          const ElementRange range = slices[static_cast<std::size_t>(owner)];
          return std::span(parameters_.get() + range.begin, static_cast<std::size_t>(range.size()));
        };
        outgoing.push_back({rank, std::as_bytes(values(me))});
        incoming.push_back({rank, std::as_writable_bytes(values(rank))});
      }
    }
    communicator_.exchange(std::move(outgoing), std::move(incoming));
    if (working_ == nullptr) return;
    for (const auto& slices : plan_.slices)
      for (int rank = 0; rank < communicator_.size(); ++rank)
        if (rank != me) round(slices[static_cast<std::size_t>(rank)]);
  }

 private:
  void round(ElementRange range) {
    std::transform(parameters_.get() + range.begin, parameters_.get() + range.end, working_.get() + range.begin,
                   to_bfloat16);
  }

  struct Transfer {
    ElementRange slice;
    std::vector<float> staging;
    std::vector<const float*> inputs;
    std::unique_ptr<Pending> pending;
  };

  void reduce(Transfer& transfer) {
    kernels_.add_tree(transfer.inputs, tree_.steps(), reduced_.get() + transfer.slice.begin, transfer.slice.size());
    transfer.staging = {};
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
  std::vector<Transfer> transfers_;
  std::size_t next_ = 0;
};

}  // namespace

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

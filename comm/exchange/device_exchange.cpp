#include "comm/exchange/device_exchange.h"

#include <algorithm>

#include "base/error.h"
#include "comm/exchange/rank_tree.h"
#include "comm/nccl_communicator.h"

namespace temper {
namespace {

/// Arrays in the arena's layout. The padding between parameters is never written again and must count as zero.
std::vector<Tensor> make_arenas(Device& device, const ArenaLayout& layout, int count) {
  std::vector<Tensor> arenas;
  for (int i = 0; i < count; ++i) arenas.push_back(device.zeros({layout.elements()}));
  return arenas;
}

/// The sum of each slice is built up in the first gradient buffer of its owner.
///
/// SumOrder::fixed: the owner receives every node of the tree and adds them as everywhere; a staging buffer serves one
/// bucket after the other, since receiving and adding follow one another on the stream. SumOrder::library: NCCL's own
/// reduction, whose order is fixed for a number of ranks but not the same on another.
class DeviceExchange final : public GradientExchange {
 public:
  DeviceExchange(Communicator& communicator, Device& device, const ExchangeRequest& request)
      : communicator_(communicator),
        nccl_(request.links.nccl),
        sum_order_(request.sum_order),
        plan_(request.plan),
        tree_(request.leaves, communicator.size()),
        buffers_(make_arenas(device, request.layout, request.buffers)) {
    if (communicator.size() == 1) return;
    if (nccl_ == nullptr) throw Error("gradients of several GPUs cannot be exchanged without NCCL");
    if (sum_order_ == SumOrder::fixed) staging_ = Tensor::empty(device.memory(), {largest_staging()});
  }

  [[nodiscard]] const BucketPlan& plan() const override { return plan_; }
  float* buffer(int index) override { return buffers_[static_cast<std::size_t>(index)].data<float>(); }
  const float* reduced() override { return buffer(0); }

  void publish(int bucket, std::span<const TreeNode> /*nodes*/, std::span<const int> buffers) override {
    // Of one rank, the whole tree is summed in its first buffer already.
    if (communicator_.size() == 1) return;
    nccl_->device().communication_waits_for_compute();
    if (sum_order_ == SumOrder::fixed) {
      exchange_nodes(bucket, buffers);
    } else {
      reduce_by_library(bucket, buffers);
    }
  }

  void finish() override {
    if (communicator_.size() == 1) return;
    nccl_->wait("the sum of the gradients");
    nccl_->device().compute_waits_for_communication();
  }

 private:
  [[nodiscard]] ElementRange slice(std::size_t bucket, int rank) const {
    return plan_.slices[bucket][static_cast<std::size_t>(rank)];
  }
  [[nodiscard]] std::int64_t largest_staging() const {
    std::int64_t largest = 1;
    for (std::size_t b = 0; b < plan_.buckets.size(); ++b)
      largest = std::max(largest, slice(b, communicator_.rank()).size() *
                                      static_cast<std::int64_t>(tree_.nodes_of_others(communicator_.rank())));
    return largest;
  }

  void exchange_nodes(int bucket, std::span<const int> buffers) {
    const auto b = static_cast<std::size_t>(bucket);
    const int me = communicator_.rank();
    const ElementRange mine = slice(b, me);
    float* place = staging_.data<float>();
    inputs_.clear();
    nccl_->begin_group();
    for (int rank = 0; rank < communicator_.size(); ++rank) {
      if (rank == me) {
        for (const int index : buffers) inputs_.push_back(buffer(index) + mine.begin);
        continue;
      }
      if (const ElementRange theirs = slice(b, rank); theirs.size() > 0)
        for (const int index : buffers) nccl_->send(buffer(index) + theirs.begin, theirs.size(), rank);
      for (std::size_t i = 0; mine.size() > 0 && i < tree_.nodes_of(rank).size(); ++i) {
        nccl_->receive(place, mine.size(), rank);
        inputs_.push_back(place);
        place += mine.size();
      }
    }
    nccl_->end_group();
    if (mine.size() > 0)
      nccl_->device().communication_kernels().run(
          calls::AddTree{.inputs = inputs_, .postfix = tree_.steps(), .out = buffer(0) + mine.begin, .n = mine.size()});
  }

  void reduce_by_library(int bucket, std::span<const int> buffers) {
    const auto b = static_cast<std::size_t>(bucket);
    const ElementRange range = plan_.buckets[b];
    float* sum = buffer(0) + range.begin;
    Kernels& kernels = nccl_->device().communication_kernels();
    if (buffers.empty())
      kernels.run(calls::Clear{.data = sum, .bytes = range.size() * static_cast<std::int64_t>(sizeof(float))});
    // The rank's own nodes first, from left to right; the first lies in its first buffer.
    for (std::size_t i = 1; i < buffers.size(); ++i)
      kernels.run(calls::Add{.a = sum, .b = buffer(buffers[i]) + range.begin, .out = sum, .n = range.size()});
    nccl_->reduce_scatter(sum, buffer(0) + slice(b, communicator_.rank()).begin, plan_.equal_slice(b));
  }

  Communicator& communicator_;
  NcclCommunicator* nccl_;  ///< null for one rank
  SumOrder sum_order_;
  BucketPlan plan_;
  RankTree tree_;
  std::vector<Tensor> buffers_;
  Tensor staging_;
  std::vector<const float*> inputs_;
};

/// The host's exchange does the work; this one carries.
class StagedExchange final : public GradientExchange {
 public:
  StagedExchange(Communicator& communicator, Device& device, const ExchangeRequest& request)
      : rank_(communicator.rank()),
        device_(device),
        host_device_(make_cpu_device()),
        host_(make_gradient_exchange(communicator, *host_device_, for_host(request))),
        buffers_(make_arenas(device, request.layout, request.buffers)) {}

  [[nodiscard]] const BucketPlan& plan() const override { return host_->plan(); }
  float* buffer(int index) override { return buffers_[static_cast<std::size_t>(index)].data<float>(); }
  const float* reduced() override { return buffer(0); }

  void publish(int bucket, std::span<const TreeNode> nodes, std::span<const int> buffers) override {
    const ElementRange range = plan().buckets[static_cast<std::size_t>(bucket)];
    for (const int index : buffers) to_host(buffer(index), host_->buffer(index), range);
    host_->publish(bucket, nodes, buffers);
  }
  void finish() override {
    host_->finish();
    for (const ElementRange range : plan().owned_by(rank_)) to_device(host_->reduced(), buffer(0), range);
  }

 private:
  /// Squares are taken of the sums that have come back.
  static ExchangeRequest for_host(ExchangeRequest request) {
    request.squares = nullptr;
    return request;
  }
  static std::size_t bytes_of(ElementRange range) { return static_cast<std::size_t>(range.size()) * sizeof(float); }
  void to_host(const float* from, float* to, ElementRange range) {
    if (range.size() > 0) device_.download(from + range.begin, to + range.begin, bytes_of(range));
  }
  void to_device(const float* from, float* to, ElementRange range) {
    if (range.size() > 0) device_.upload(from + range.begin, to + range.begin, bytes_of(range));
  }

  int rank_;
  Device& device_;
  std::unique_ptr<Device> host_device_;
  std::unique_ptr<GradientExchange> host_;
  std::vector<Tensor> buffers_;
};

}  // namespace

std::unique_ptr<GradientExchange> make_device_exchange(Communicator& communicator, Device& device,
                                                       const ExchangeRequest& request) {
  return std::make_unique<DeviceExchange>(communicator, device, request);
}

std::unique_ptr<GradientExchange> make_staged_exchange(Communicator& communicator, Device& device,
                                                       const ExchangeRequest& request) {
  return std::make_unique<StagedExchange>(communicator, device, request);
}

}  // namespace temper

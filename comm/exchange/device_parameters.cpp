#include "comm/exchange/device_parameters.h"

#include "base/error.h"
#include "comm/exchange/host_parameters.h"
#include "comm/nccl_communicator.h"

namespace temper {
namespace {

class DeviceParameters final : public ParameterExchange {
 public:
  DeviceParameters(Communicator& communicator, Device& device, const ParameterRequest& request)
      : communicator_(communicator),
        nccl_(request.links.nccl),
        plan_(request.plan),
        arena_(device.zeros({request.layout.elements()})) {
    if (communicator.size() > 1 && nccl_ == nullptr)
      throw Error("parameters of several GPUs cannot be shared without NCCL");
  }

  float* parameters() override { return arena_.data<float>(); }
  BFloat16* compute_copy() override { return nullptr; }

  void share(SharedRows /*rows*/) override {
    if (communicator_.size() == 1) return;
    CudaDevice& device = nccl_->device();
    device.communication_waits_for_compute();
    float* all = parameters();
    nccl_->begin_group();
    for (std::size_t b = 0; b < plan_.buckets.size(); ++b) {
      const ElementRange mine = plan_.slices[b][static_cast<std::size_t>(communicator_.rank())];
      nccl_->all_gather(all + mine.begin, all + plan_.buckets[b].begin, plan_.equal_slice(b));
    }
    nccl_->end_group();
    device.compute_waits_for_communication();
  }

  void wait() override {
    if (communicator_.size() > 1) nccl_->wait("the updated parameters");
  }

 private:
  Communicator& communicator_;
  NcclCommunicator* nccl_;
  BucketPlan plan_;
  Tensor arena_;
};

/// The host's arena is shared; this one carries.
class StagedParameters final : public ParameterExchange {
 public:
  StagedParameters(Communicator& communicator, Device& device, const ParameterRequest& request)
      : rank_(communicator.rank()),
        device_(device),
        plan_(request.plan),
        host_(make_host_parameters(communicator,
                                   {.layout = request.layout, .plan = request.plan, .links = request.links})),
        arena_(device.zeros({request.layout.elements()})) {}

  float* parameters() override { return arena_.data<float>(); }
  BFloat16* compute_copy() override { return nullptr; }

  void share(SharedRows rows) override {
    float* all = parameters();
    float* on_host = host_->parameters();
    for (const ElementRange range : plan_.owned_by(rank_))
      device_.download(all + range.begin, on_host + range.begin, bytes_of(range));
    host_->share(rows);
    for (const auto& slices : plan_.slices)
      for (std::size_t owner = 0; owner < slices.size(); ++owner)
        if (const ElementRange range = slices[owner]; static_cast<int>(owner) != rank_ && range.size() > 0)
          device_.upload(on_host + range.begin, all + range.begin, bytes_of(range));
  }
  void wait() override {}

 private:
  static std::size_t bytes_of(ElementRange range) { return static_cast<std::size_t>(range.size()) * sizeof(float); }

  int rank_;
  Device& device_;
  BucketPlan plan_;
  std::unique_ptr<ParameterExchange> host_;
  Tensor arena_;
};

}  // namespace

std::unique_ptr<ParameterExchange> make_device_parameters(Communicator& communicator, Device& device,
                                                          const ParameterRequest& request) {
  return std::make_unique<DeviceParameters>(communicator, device, request);
}

std::unique_ptr<ParameterExchange> make_staged_parameters(Communicator& communicator, Device& device,
                                                          const ParameterRequest& request) {
  return std::make_unique<StagedParameters>(communicator, device, request);
}

}  // namespace temper

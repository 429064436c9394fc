#include "comm/exchange/gradient_exchange.h"

#include "base/error.h"
#include "comm/exchange/device_exchange.h"
#include "comm/exchange/node_exchange.h"
#include "comm/exchange/window_exchange.h"

namespace temper {

const RowSet& GradientExchange::live_rows() const {
  throw Error("an exchange without a sparse table was asked for its live rows");
}

std::unique_ptr<GradientExchange> make_gradient_exchange(Communicator& communicator, Device& device,
                                                         const ExchangeRequest& request) {
  if (auto* cuda = dynamic_cast<CudaDevice*>(&device);
      cuda != nullptr && (request.nccl != nullptr || communicator.size() == 1))
    return make_device_exchange(communicator, *cuda, request.nccl, request);
  if (!device.shares_host_memory()) return make_staged_exchange(communicator, device, request);
  if (request.share_memory && communicator.topology().nodes == 1)
    return make_window_exchange(communicator, device.kernels(), request);
  return make_node_exchange(communicator, device.kernels(), request);
}

}  // namespace temper

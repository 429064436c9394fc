#include "comm/exchange/gradient_exchange.h"

#include "base/error.h"
#include "comm/exchange/device_exchange.h"
#include "comm/exchange/node_exchange.h"
#include "comm/exchange/window_exchange.h"

namespace temper {

std::unique_ptr<GradientExchange> make_gradient_exchange(Communicator& communicator, Device& device,
                                                         const ExchangeRequest& request) {
  const Route route = route_of(communicator, device, request.links);
  if (route == Route::host) {
    if (request.links.share_memory && communicator.topology().nodes == 1)
      return make_window_exchange(communicator, device.kernels(), request);
    return make_node_exchange(communicator, device.kernels(), request);
  }
  if (request.rows != nullptr || request.residuals != nullptr)
    throw Error("gradients of {} are exchanged whole and unrounded, but something else was asked for", device.name());
  return route == Route::library ? make_device_exchange(communicator, device, request)
                                 : make_staged_exchange(communicator, device, request);
}

}  // namespace temper

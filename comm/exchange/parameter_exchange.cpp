#include "comm/exchange/parameter_exchange.h"

#include "base/error.h"
#include "comm/exchange/device_parameters.h"
#include "comm/exchange/host_parameters.h"

namespace temper {

std::unique_ptr<ParameterExchange> make_parameter_exchange(Communicator& communicator, Device& device,
                                                           const ParameterRequest& request) {
  const Route route = route_of(communicator, device, request.links);
  if (route == Route::host) return make_host_parameters(communicator, request);
  if (request.table) throw Error("parameters of {} are shared whole, but rows of a table were named", device.name());
  return route == Route::library ? make_device_parameters(communicator, device, request)
                                 : make_staged_parameters(communicator, device, request);
}

}  // namespace temper

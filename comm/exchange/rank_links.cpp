#include "comm/exchange/rank_links.h"

namespace temper {

Route route_of(const Communicator& communicator, const Device& device, const RankLinks& links) {
  if (device.shares_host_memory()) return Route::host;
  return links.nccl != nullptr || communicator.size() == 1 ? Route::library : Route::staged;
}

}  // namespace temper

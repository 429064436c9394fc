#include "tensor/calls/channel_norm.h"

namespace temper::calls {

KernelWork ChannelStatistics::work() const { return elementwise_work({x}, 4.0); }

KernelWork ChannelNormForward::work() const { return elementwise_work({x, residual, y}, 3.0); }

KernelWork ChannelNormBackward::work() const {
  const bool reads_x = d_weight != nullptr || statistics_of_rows;
  KernelWork work = elementwise_work({dy, activation == Activation::none ? ConstRows() : y, reads_x ? x : ConstRows(),
                                      dx, accumulate ? dx : Rows(), g.data != dy.data ? g : Rows()},
                                     6.0);
  if (statistics_of_rows) work += elementwise_work({dy, x}, 6.0);
  return work;
}

}  // namespace temper::calls

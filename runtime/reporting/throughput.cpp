#include "runtime/reporting/throughput.h"

#include <initializer_list>

namespace temper {

void Throughput::add_step(double seconds, std::int64_t examples, std::int64_t tokens) {
  ++steps_;
  for (Sums* sums : {&all_, &epoch_}) {
    sums->seconds += seconds;
    sums->examples += examples;
    sums->tokens += tokens;
  }
}

void Throughput::add_preparation(double seconds) {
  preparation_seconds_ += seconds;
  all_.seconds += seconds;
  epoch_.seconds += seconds;
}

void Throughput::end_epoch() {
  last_epoch_ = epoch_;
  epoch_ = {};
}

double Throughput::seconds_per_step() const { return steps_ > 0 ? step_seconds() / static_cast<double>(steps_) : 0.0; }

}  // namespace temper

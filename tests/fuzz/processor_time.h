// Fuzzers run for processor time, which a busy machine does not shorten.
#pragma once

#include <ctime>

namespace temper {

inline double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

}  // namespace temper

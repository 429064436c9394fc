// What the programs of fuzzers share: they run for processor time, which a busy machine does not shorten.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <vector>

namespace temper {

inline double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// main() of a fuzzer with the arguments SECONDS SEED PATH...
template <typename Fuzz>
int fuzz_main(int count, char** arguments, const char* name, const Fuzz& fuzz) {
  if (count < 4) {
    std::fprintf(stderr, "usage: %s SECONDS SEED PATH...\n", name);
    return 2;
  }
  return fuzz(std::atof(arguments[1]), std::strtoull(arguments[2], nullptr, 10),
              std::vector<std::filesystem::path>(arguments + 3, arguments + count));
}

}  // namespace temper

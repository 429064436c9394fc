// Runs a program held to an instruction set: `on_instruction_set avx2 PROGRAM ARGUMENT...`. On a processor that lacks
// the set it says so and returns 77, which CTest takes for skipped.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "tensor/kernels/cpu/vector/instruction_set.h"

int main(int argc, char** argv) {
  constexpr int kSkipped = 77;
  if (argc < 3) {
    std::fprintf(stderr, "usage: on_instruction_set SET PROGRAM [ARGUMENT ...]\n");
    return 2;
  }
  try {
    if (!temper::may_use(temper::parse_instruction_set(argv[1]))) {
      std::printf("skipped: this processor has no %s\n", argv[1]);
      return kSkipped;
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  ::setenv("TEMPER_MAX_ISA", argv[1], 1);
  ::execvp(argv[2], argv + 2);
  std::fprintf(stderr, "%s cannot be started: %s\n", argv[2], std::strerror(errno));
  return 2;
}

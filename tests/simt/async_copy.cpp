// Asynchronous copies of the threads of a block (shadow/tensor/kernels/cuda/async_copy.cuh).
#include <cstdint>
#include <cstring>
#include <vector>

#include "simt/device_code.h"
#include "tensor/kernels/cuda/async_copy.cuh"
#include "tests/simt/block.h"
#include "tests/simt/report.h"

namespace simt {
namespace {

constexpr std::size_t kBytes = 16;

struct Copy {
  void* shared;
  const void* global;
};

/// [threads], the copies that each has started and not waited for.
std::vector<std::vector<Copy>>& under_way() {
  static std::vector<std::vector<Copy>> copies(kMostThreads);
  return copies;
}
bool any_under_way = false;

}  // namespace

void start_copy(void* shared, const void* global, bool wanted, Site site) {
  if (reinterpret_cast<std::uintptr_t>(shared) % kBytes != 0 ||
      (wanted && reinterpret_cast<std::uintptr_t>(global) % kBytes != 0))
    fail("copy_16_bytes at %s:%d with an address that is no multiple of 16", site.file, site.line);
  std::memset(shared, 0xFF, kBytes);
  any_under_way = true;
  under_way()[static_cast<std::size_t>(thread_number())].push_back({shared, wanted ? global : nullptr});
}

void finish_copies() {
  std::vector<Copy>& copies = under_way()[static_cast<std::size_t>(thread_number())];
  for (const Copy& copy : copies) {
    if (copy.global != nullptr)
      std::memcpy(copy.shared, copy.global, kBytes);
    else
      std::memset(copy.shared, 0, kBytes);
  }
  copies.clear();
}

void forget_copies() {
  if (!any_under_way) return;
  any_under_way = false;
  for (std::vector<Copy>& copies : under_way()) copies.clear();
}

}  // namespace simt

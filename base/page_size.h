// Pages of memory, which are not 4 KiB on every machine.
#pragma once

#include <unistd.h>

#include <cstddef>

namespace temper {

/// Bytes.
inline std::size_t page_size() {
  static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

/// The least number of bytes that is whole pages and no less than `bytes`.
inline std::size_t whole_pages(std::size_t bytes) { return (bytes + page_size() - 1) / page_size() * page_size(); }

}  // namespace temper

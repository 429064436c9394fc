// What a cache of frozen layers holds for some examples.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/frozen/frozen_cache.h"

namespace temper {

inline std::vector<std::byte> hidden_rows(const FrozenCache& cache, std::span<const std::uint32_t> examples) {
  std::vector<std::byte> rows(static_cast<std::size_t>(cache.rows_of(examples) * cache.layout().row_bytes()));
  cache.read(examples, rows);
  return rows;
}

}  // namespace temper

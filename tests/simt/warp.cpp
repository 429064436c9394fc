// What the lanes of a warp do together: shuffles, votes, reductions, and the tensor-core fragments of
// tensor/kernels/cuda/warp_matrix.cuh.
#include <bit>
#include <cstdint>
#include <cstring>

#include "simt/device_code.h"
#include "tensor/kernels/cuda/warp_matrix.cuh"
#include "tests/simt/report.h"

namespace simt {
namespace {

struct Shuffle {
  std::uint64_t value;
  int source;
  std::uint64_t result;
};

struct Ballot {
  bool predicate;
  unsigned result;
};

struct Reduce {
  std::int64_t value;
  char operation;
  std::int64_t result;
};

bool has(unsigned lanes, unsigned lane) { return (lanes >> lane & 1U) != 0; }

void resolve_shuffle(void* const* lanes, unsigned active) {
  for (unsigned i = 0; i < 32; ++i) {
    if (!has(active, i)) continue;
    auto& mine = *static_cast<Shuffle*>(lanes[i]);
    const auto source = static_cast<unsigned>(mine.source) % 32;
    mine.result = has(active, source) ? static_cast<const Shuffle*>(lanes[source])->value : ~std::uint64_t{0};
  }
}

void resolve_ballot(void* const* lanes, unsigned active) {
  unsigned votes = 0;
  for (unsigned i = 0; i < 32; ++i)
    if (has(active, i) && static_cast<const Ballot*>(lanes[i])->predicate) votes |= 1U << i;
  for (unsigned i = 0; i < 32; ++i)
    if (has(active, i)) static_cast<Ballot*>(lanes[i])->result = votes;
}

std::int64_t combined(std::int64_t a, std::int64_t b, char operation) {
  switch (operation) {
    case '<':
      return a < b ? a : b;
    case '>':
      return a < b ? b : a;
    case '&':
      return a & b;
    case '|':
      return a | b;
    case '^':
      return a ^ b;
    default:
      return a + b;
  }
}

void resolve_reduce(void* const* lanes, unsigned active) {
  std::int64_t result = 0;
  bool first = true;
  for (unsigned i = 0; i < 32; ++i) {
    if (!has(active, i)) continue;
    const auto& mine = *static_cast<const Reduce*>(lanes[i]);
    result = first ? mine.value : combined(result, mine.value, mine.operation);
    first = false;
  }
  for (unsigned i = 0; i < 32; ++i)
    if (has(active, i)) static_cast<Reduce*>(lanes[i])->result = result;
}

float low(std::uint32_t pair) { return std::bit_cast<float>(pair << 16U); }
float high(std::uint32_t pair) { return std::bit_cast<float>(pair & 0xFFFF0000U); }

}  // namespace

std::uint64_t shuffle(const char* what, unsigned mask, std::uint64_t value, int source, Site site) {
  Shuffle mine{value, source, 0};
  warp_collective(what, mask, &mine, resolve_shuffle, site);
  return mine.result;
}

unsigned ballot(const char* what, unsigned mask, bool predicate, Site site) {
  Ballot mine{predicate, 0};
  warp_collective(what, mask, &mine, resolve_ballot, site);
  return mine.result;
}

std::int64_t reduce(const char* what, unsigned mask, std::int64_t value, char operation, Site site) {
  Reduce mine{value, operation, 0};
  warp_collective(what, mask, &mine, resolve_reduce, site);
  return mine.result;
}

void resolve_product(void* const* lanes, unsigned /*active*/) {
  float a[16][16];
  float b[16][8];
  float c[16][8];
  for (unsigned lane = 0; lane < 32; ++lane) {
    const auto& mine = *static_cast<const MatrixProduct*>(lanes[lane]);
    const unsigned group = lane / 4;
    const unsigned pair = 2 * (lane % 4);
    for (unsigned i = 0; i < 4; ++i) {
      const unsigned row = group + 8 * (i % 2);
      const unsigned column = pair + 8 * (i / 2);
      a[row][column] = low(mine.a[i]);
      a[row][column + 1] = high(mine.a[i]);
    }
    for (unsigned i = 0; i < 2; ++i) {
      b[pair + 8 * i][group] = low(mine.b[i]);
      b[pair + 8 * i + 1][group] = high(mine.b[i]);
    }
    for (unsigned i = 0; i < 4; ++i) c[group + 8 * (i / 2)][pair + i % 2] = mine.c[i];
  }
  for (unsigned row = 0; row < 16; ++row)
    for (unsigned k = 0; k < 16; ++k)
      for (unsigned column = 0; column < 8; ++column) c[row][column] += a[row][k] * b[k][column];
  for (unsigned lane = 0; lane < 32; ++lane) {
    const auto& mine = *static_cast<const MatrixProduct*>(lanes[lane]);
    for (unsigned i = 0; i < 4; ++i) mine.c[i] = c[lane / 4 + 8 * (i / 2)][2 * (lane % 4) + i % 2];
  }
}

void resolve_load(void* const* lanes, unsigned /*active*/) {
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned matrix = 0; matrix < 4; ++matrix) {
      const std::uint16_t* const row = static_cast<const MatrixRow*>(lanes[8 * matrix + lane / 4])->row;
      static_cast<MatrixRow*>(lanes[lane])->r[matrix] =
          row[2 * (lane % 4)] | static_cast<std::uint32_t>(row[2 * (lane % 4) + 1]) << 16U;
    }
}

void resolve_transposed_load(void* const* lanes, unsigned /*active*/) {
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned matrix = 0; matrix < 4; ++matrix) {
      const auto element = [&](unsigned row) {
        return static_cast<std::uint32_t>(static_cast<const MatrixRow*>(lanes[8 * matrix + row])->row[lane / 4]);
      };
      static_cast<MatrixRow*>(lanes[lane])->r[matrix] = element(2 * (lane % 4)) | element(2 * (lane % 4) + 1) << 16U;
    }
}

void load_fragments(std::uint32_t (&r)[4], const void* row, const char* what, Resolve resolve, Site site) {
  if (reinterpret_cast<std::uintptr_t>(row) % 16 != 0)
    fail("%s at %s:%d from an address that is no multiple of 16", what, site.file, site.line);
  MatrixRow mine{static_cast<const std::uint16_t*>(row), {}};
  full_warp_collective(what, &mine, resolve, site);
  std::memcpy(r, mine.r, sizeof(mine.r));
}

}  // namespace simt

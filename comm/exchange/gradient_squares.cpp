#include "comm/exchange/gradient_squares.h"

#include <algorithm>
#include <utility>

namespace temper {

GradientSquares::GradientSquares(Device& device, const ArenaLayout& layout, std::vector<ElementRange> owned)
    : device_(device),
      owned_(std::move(owned)),
      sums_(static_cast<std::size_t>(layout.chunks())),
      taken_(static_cast<std::size_t>(layout.chunks())) {}

void GradientSquares::begin_step() { std::fill(taken_.begin(), taken_.end(), false); }

void GradientSquares::take(std::int64_t chunk, const float* values) {
  device_.kernels().run(calls::ChunkSquareSums{
      .x = values, .chunk = kChunk, .chunks = 1, .sums = &sums_[static_cast<std::size_t>(chunk)]});
  taken_[static_cast<std::size_t>(chunk)] = true;
}

bool GradientSquares::is_plain(std::int64_t chunk, const SparseRows* rows) const {
  return !taken_[static_cast<std::size_t>(chunk)] && (rows == nullptr || !rows->place().meets(range_of(chunk)));
}

void GradientSquares::finish(const float* reduced, const SparseRows* rows, double* sums) const {
  for (const ElementRange& range : owned_) {
    const std::int64_t end = range.end / kChunk;
    for (std::int64_t chunk = range.begin / kChunk; chunk < end;) {
      if (taken_[static_cast<std::size_t>(chunk)]) {
        sums[chunk] = sums_[static_cast<std::size_t>(chunk)];
        ++chunk;
      } else if (!is_plain(chunk, rows)) {
        sums[chunk] = sum_of_live(reduced, *rows, range_of(chunk));
        ++chunk;
      } else {
        std::int64_t last = chunk + 1;
        while (last < end && is_plain(last, rows)) ++last;
        device_.kernels().run(calls::ChunkSquareSums{
            .x = reduced + chunk * kChunk, .chunk = kChunk, .chunks = last - chunk, .sums = sums + chunk});
        chunk = last;
      }
    }
  }
}

double GradientSquares::sum_of_live(const float* reduced, const SparseRows& rows, ElementRange chunk) const {
  // The kernel deals elements out to its sums in turn. Whole rounds of zeros can be left out; a multiple of every
  // round there is, whatever the width of a vector:
  constexpr std::int64_t kRound = 256;
  std::vector<float> taken;
  taken.reserve(kChunk);
  std::int64_t end = chunk.begin;
  for (const ElementRange part : rows.place().live(rows.live(), chunk)) {
    const std::int64_t first = std::max(end, chunk.begin + (part.begin - chunk.begin) / kRound * kRound);
    end = std::max(end, chunk.begin + (part.end - chunk.begin + kRound - 1) / kRound * kRound);
    if (first < end) taken.insert(taken.end(), reduced + first, reduced + end);
  }
  double sum = 0.0;
  const auto size = static_cast<std::int64_t>(taken.size());
  if (size > 0)
    device_.kernels().run(calls::ChunkSquareSums{.x = taken.data(), .chunk = size, .chunks = 1, .sums = &sum});
  return sum;
}

}  // namespace temper

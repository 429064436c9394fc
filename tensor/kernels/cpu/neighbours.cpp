// The tokens around each, beside each other; a sequence is one thread's.
#include <algorithm>

#include "tensor/bfloat16.h"
#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/vector/parallel.h"

namespace temper {
namespace {

float widened(float x) { return x; }
float widened(BFloat16 x) { return to_float(x); }
void narrow_to(float x, float& to) { to = x; }
void narrow_to(float x, BFloat16& to) { to = to_bfloat16(x); }

/// The places o of a span for which t + step (o - span / 2) is a token of a sequence of `length`: [begin, end).
struct Places {
  std::int64_t begin;
  std::int64_t end;

  Places(std::int64_t t, std::int64_t step, std::int64_t span, std::int64_t length) {
    const std::int64_t before = step > 0 ? t : length - 1 - t;
    const std::int64_t behind = length - 1 - before;
    begin = std::max<std::int64_t>(span / 2 - before, 0);
    end = std::min(span / 2 + behind + 1, span);
  }
};

template <typename T>
void gather_neighbours_of(MatrixOf<const T> x, std::int64_t start, std::int64_t length, std::int64_t span,
                          MatrixOf<T> y) {
  for (std::int64_t t = 0; t < length; ++t) {
    T* to = y.row(start + t);
    std::fill_n(to, y.columns, T());
    const Places places(t, 1, span, length);
    for (std::int64_t o = places.begin; o < places.end; ++o) {
      const T* from = x.row(start + t + o - span / 2);
      for (std::int64_t c = 0; c < x.columns; ++c) to[c * span + o] = from[c];
    }
  }
}

template <typename T>
void add_neighbours_of(MatrixOf<const T> dy, std::int64_t start, std::int64_t length, std::int64_t span,
                       MatrixOf<T> dx) {
  for (std::int64_t t = 0; t < length; ++t) {
    T* to = dx.row(start + t);
    const Places places(t, -1, span, length);
    for (std::int64_t c = 0; c < dx.columns; ++c) {
      float sum = 0.0F;
      for (std::int64_t o = places.begin; o < places.end; ++o)
        sum += widened(dy.row(start + t - o + span / 2)[c * span + o]);
      narrow_to(sum, to[c]);
    }
  }
}

/// Calls body(start, length) for each sequence; work: elements of all.
template <typename Body>
void for_each_sequence(const PackedSequences& sequences, std::int64_t work, const Body& body) {
  parallel_ranges(sequences.sequences, work / std::max<std::int64_t>(sequences.sequences, 1),
                  [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t s = begin; s < end; ++s) body(sequences.starts[s], sequences.length(s));
                  });
}

void require_span(std::string_view kernel, std::int64_t narrow, std::int64_t wide, std::int64_t span) {
  if (span < 1 || span % 2 == 0 || wide != narrow * span)
    throw Error("{}: {} columns are not those of {} neighbours with {} columns each, an odd number of them", kernel,
                wide, span, narrow);
}

}  // namespace

void CpuKernels::run(const calls::GatherNeighbours& call) {
  const DType type = common_type(call.kKernel.name, call.x, call.y);
  require_span(call.kKernel.name, call.x.columns, call.y.columns, call.span);
  const auto run = [&]<typename T>(T /*element*/) {
    for_each_sequence(call.sequences, call.y.rows * call.y.columns, [&](std::int64_t start, std::int64_t length) {
      gather_neighbours_of(call.x.as<T>(), start, length, call.span, call.y.as<T>());
    });
  };
  type == DType::bf16 ? run(BFloat16()) : run(0.0F);
}

void CpuKernels::run(const calls::AddNeighbours& call) {
  const DType type = common_type(call.kKernel.name, call.dy, call.dx);
  require_span(call.kKernel.name, call.dx.columns, call.dy.columns, call.span);
  const auto run = [&]<typename T>(T /*element*/) {
    for_each_sequence(call.sequences, call.dy.rows * call.dy.columns, [&](std::int64_t start, std::int64_t length) {
      add_neighbours_of(call.dy.as<T>(), start, length, call.span, call.dx.as<T>());
    });
  };
  type == DType::bf16 ? run(BFloat16()) : run(0.0F);
}

}  // namespace temper

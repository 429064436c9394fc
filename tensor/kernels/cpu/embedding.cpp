// Rows fetched by index, and their gradients added back in a fixed order: threads share columns, never rows.
#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/quantized_blocks.h"
#include "tensor/kernels/cpu/vector/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/embedding.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/vector/float16_loads-inl.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {

namespace {

/// y = a + b + c of n elements; b and c may be null.
template <typename Words, typename T>
void add_embeddings_typed(const Words* a, const float* b, const float* c, T* y, std::int64_t n) {
  const Floats d;
  const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
    auto v = load_weights(access, d, a + i);
    if (b != nullptr) {
      v = hn::Add(v, access.load(d, b + i));
    }
    if (c != nullptr) {
      v = hn::Add(v, access.load(d, c + i));
    }
    access.store(v, d, y + i);
  };
  for_each_vector(d, n, step);
}

/// table[ids[t]] += dy[t] for every row t of dy, in columns [begin, end).
template <typename T>
void add_rows_typed(MatrixOf<const T> dy, const std::int32_t* ids, MatrixOf<T> table, std::int64_t begin,
                    std::int64_t end) {
  const Floats d;
  for (std::int64_t t = 0; t < dy.rows; ++t) {
    const T* from = dy.row(t) + begin;
    T* to = table.row(ids[t]) + begin;
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      access.store(hn::Add(access.load(d, to + i), access.load(d, from + i)), d, to + i);
    };
    for_each_vector(d, end - begin, step);
  }
}

/// table[ids[g]] += the rows of each group, in columns [begin, end). A piece is summed in scratch and then added, as
/// every device does it.
template <typename T>
void add_groups_typed(MatrixOf<const T> dy, const RowGroups& groups, float* table, std::int64_t begin,
                      std::int64_t end) {
  const Floats d;
  const std::int64_t width = end - begin;
  std::vector<float> piece_sum(static_cast<std::size_t>(width));
  float* sum = piece_sum.data();
  for (std::int64_t group = 0; group < groups.groups; ++group) {
    float* to = table + groups.ids[group] * dy.columns + begin;
    for (std::int64_t piece = groups.piece_starts[group]; piece < groups.piece_starts[group + 1]; ++piece) {
      const std::int64_t first = groups.row_starts[piece];
      const T* first_row = dy.row(groups.order[first]) + begin;
      const auto begin_sum = [&](auto access, std::int64_t column) TEMPER_VECTOR_LAMBDA {
        access.store(access.load(d, first_row + column), d, sum + column);
      };
      for_each_vector(d, width, begin_sum);
      for (std::int64_t i = first + 1; i < groups.row_starts[piece + 1]; ++i) {
        const T* from = dy.row(groups.order[i]) + begin;
        const auto step = [&](auto access, std::int64_t column) TEMPER_VECTOR_LAMBDA {
          access.store(hn::Add(access.load(d, sum + column), access.load(d, from + column)), d, sum + column);
        };
        for_each_vector(d, width, step);
      }
      const auto finish = [&](auto access, std::int64_t column) TEMPER_VECTOR_LAMBDA {
        access.store(hn::Add(access.load(d, to + column), access.load(d, sum + column)), d, to + column);
      };
      for_each_vector(d, width, finish);
    }
  }
}

}  // namespace

void add_embeddings(ConstRows words, const float* b, const float* c, Rows y, std::int64_t row) {
  const auto add_to = [&](auto* a) {
    if (y.type == DType::bf16) {
      add_embeddings_typed(a, b, c, y.as<BFloat16>().row(row), y.columns);
    } else {
      add_embeddings_typed(a, b, c, y.as<float>().row(row), y.columns);
    }
  };
  if (is_quantized(words.type)) {
    thread_local std::vector<float> decoded;
    decoded.resize(static_cast<std::size_t>(words.columns));
    decode_rows(words, decoded.data(), words.columns);
    return add_to(decoded.data());
  }
  if (words.type == DType::f16) return add_to(words.as<Float16>().data);
  words.type == DType::bf16 ? add_to(words.as<BFloat16>().data) : add_to(words.as<float>().data);
}

void add_rows_at(ConstRows dy, const std::int32_t* ids, Rows table, std::int64_t begin, std::int64_t end) {
  if (dy.type == DType::bf16) {
    add_rows_typed(dy.as<BFloat16>(), ids, table.as<BFloat16>(), begin, end);
  } else {
    add_rows_typed(dy.as<float>(), ids, table.as<float>(), begin, end);
  }
}

void add_groups(ConstRows dy, const RowGroups& groups, float* table, std::int64_t begin, std::int64_t end) {
  if (dy.type == DType::bf16) {
    add_groups_typed(dy.as<BFloat16>(), groups, table, begin, end);
  } else {
    add_groups_typed(dy.as<float>(), groups, table, begin, end);
  }
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(add_embeddings);
HWY_EXPORT(add_rows_at);
HWY_EXPORT(add_groups);

namespace {

// Columns that a thread takes together: whole cache lines.
constexpr std::int64_t kColumnGranule = 16;

}  // namespace

void CpuKernels::run(const calls::EmbeddingSumForward& call) {
  if (!is_narrow(call.words_type))
    (void)common_type(call.kKernel.name, ConstRows(call.words, 1, 1, 1, call.words_type));
  (void)common_type(call.kKernel.name, call.y);
  const std::int64_t width = call.y.columns;
  const auto word = [&](std::int64_t t) {
    return ConstRows(call.words, 1, width, width, call.words_type).part(call.ids[t], 1);
  };
  parallel_ranges(call.y.rows, width, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      HWY_DYNAMIC_DISPATCH(add_embeddings)
      (word(t), call.positions == nullptr ? nullptr : call.positions + call.position_ids[t] * width,
       call.types == nullptr ? nullptr : call.types + call.type_ids[t] * width, call.y, t);
    }
  });
}

void CpuKernels::run(const calls::EmbeddingBackward& call) {
  (void)common_type(call.kKernel.name, call.dy);
  parallel_ranges(
      call.dy.columns, call.groups.rows,
      [&](std::int64_t begin, std::int64_t end) {
        HWY_DYNAMIC_DISPATCH(add_groups)
        (call.dy, call.groups, call.d_table, begin, end);
      },
      kColumnGranule);
}

void CpuKernels::run(const calls::GatherRows& call) {
  const std::size_t row_bytes =
      static_cast<std::size_t>(call.y.columns) * size_of(common_type(call.kKernel.name, call.x, call.y));
  parallel_ranges(call.y.rows, call.y.columns, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      std::memcpy(call.y.at(i, 0), call.x.at(call.rows[i], 0), row_bytes);
    }
  });
}

void CpuKernels::run(const calls::ScatterRows& call) {
  const std::size_t row_bytes =
      static_cast<std::size_t>(call.x.columns) * size_of(common_type(call.kKernel.name, call.x, call.y));
  parallel_ranges(call.x.rows, call.x.columns, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      std::memcpy(call.y.at(call.rows[i], 0), call.x.at(i, 0), row_bytes);
    }
  });
}

void CpuKernels::run(const calls::ScatterAddRows& call) {
  (void)common_type(call.kKernel.name, call.dy, call.dx);
  parallel_ranges(
      call.dy.columns, call.dy.rows,
      [&](std::int64_t begin, std::int64_t end) {
        HWY_DYNAMIC_DISPATCH(add_rows_at)
        (call.dy, call.rows, call.dx, begin, end);
      },
      kColumnGranule);
}

}  // namespace temper
#endif  // HWY_ONCE

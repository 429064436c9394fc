// Batch norm with what stands behind it. What a column is multiplied with and what is added is
// worked out once, so that a pass is a multiplication and an addition for each element.
#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/vector/column_sums.h"
#include "tensor/kernels/cpu/vector/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/channel_norm.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"

#ifndef TEMPER_CHANNEL_NORM_TYPES
#define TEMPER_CHANNEL_NORM_TYPES
namespace temper {

/// What a column's elements become: x * factor + offset.
struct ColumnLines {
  const float* factor;
  const float* offset;
};

/// Of the way back: dx = g * factor, and where the statistics are those of the rows, minus x * slope + offset.
struct ColumnWaysBack {
  const float* mean;  ///< normal = (x - mean) * scale
  const float* scale;
  const float* factor;
  const float* slope = nullptr;
  const float* offset = nullptr;
};

}  // namespace temper
#endif

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace {

template <typename T>
void channel_norm_of(const calls::ChannelNormForward& call, const ColumnLines& lines, std::int64_t begin,
                     std::int64_t end) {
  const Floats d;
  const auto x = call.x.as<T>();
  const auto residual = call.residual.as<T>();
  const auto y = call.y.as<T>();
  const bool clips = call.activation == Activation::relu;
  for (std::int64_t row = begin; row < end; ++row) {
    const T* residual_row = residual.data == nullptr ? nullptr : residual.row(row);
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      auto v = hn::MulAdd(access.load(d, x.row(row) + i), access.load(d, lines.factor + i),
                          access.load(d, lines.offset + i));
      if (residual_row != nullptr) v = hn::Add(v, access.load(d, residual_row + i));
      // What is not a number stays so.
      if (clips) v = hn::IfThenZeroElse(hn::Lt(v, hn::Zero(d)), v);
      access.store(v, d, y.row(row) + i);
    };
    for_each_vector(d, x.columns, step);
  }
}

/// g of rows [begin, end), the sums of g * normal and of g, and, with statistics that do not depend on x, dx.
template <typename T>
void channel_norm_back_of(const calls::ChannelNormBackward& call, const ColumnWaysBack& ways, float* normal_sums,
                          float* sums, std::int64_t begin, std::int64_t end) {
  const Floats d;
  const auto dy = call.dy.as<T>();
  const auto x = call.x.as<T>();
  const auto y = call.y.as<T>();
  const auto g_rows = call.g.as<T>();
  const auto dx = call.dx.as<T>();
  const bool clips = call.activation == Activation::relu;
  const bool writes_g = g_rows.data != nullptr && (clips || g_rows.data != dy.data);
  const bool writes_dx = dx.data != nullptr && !call.statistics_of_rows;
  for (std::int64_t row = begin; row < end; ++row) {
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      auto g = access.load(d, dy.row(row) + i);
      if (clips) g = hn::IfThenElseZero(hn::Gt(access.load(d, y.row(row) + i), hn::Zero(d)), g);
      if (writes_g) access.store(g, d, g_rows.row(row) + i);
      if (normal_sums != nullptr) {
        const auto normal = hn::Mul(hn::Sub(access.load(d, x.row(row) + i), access.load(d, ways.mean + i)),
                                    access.load(d, ways.scale + i));
        access.store(hn::MulAdd(g, normal, access.load(d, normal_sums + i)), d, normal_sums + i);
      }
      if (sums != nullptr) access.store(hn::Add(access.load(d, sums + i), g), d, sums + i);
      if (writes_dx) {
        auto change = hn::Mul(g, access.load(d, ways.factor + i));
        T* to = dx.row(row) + i;
        if (call.accumulate) change = hn::Add(access.load(d, to), change);
        access.store(change, d, to);
      }
    };
    for_each_vector(d, dy.columns, step);
  }
}

/// dx where the statistics are those of the rows, from g.
template <typename T>
void channel_norm_freed_of(const calls::ChannelNormBackward& call, ConstRows from, const ColumnWaysBack& ways,
                           std::int64_t begin, std::int64_t end) {
  const Floats d;
  const auto g_rows = from.as<T>();
  const auto x = call.x.as<T>();
  const auto dx = call.dx.as<T>();
  for (std::int64_t row = begin; row < end; ++row) {
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      const auto centred = hn::Sub(access.load(d, x.row(row) + i), access.load(d, ways.mean + i));
      const auto gone = hn::MulAdd(centred, access.load(d, ways.slope + i), access.load(d, ways.offset + i));
      auto change = hn::Mul(hn::Sub(access.load(d, g_rows.row(row) + i), gone), access.load(d, ways.factor + i));
      T* to = dx.row(row) + i;
      if (call.accumulate) change = hn::Add(access.load(d, to), change);
      access.store(change, d, to);
    };
    for_each_vector(d, x.columns, step);
  }
}

/// Rows that are added up before their sum is written: a sum in memory is read and written for each.
constexpr std::int64_t kRowsOfMoments = 4;

/// sums += term(x, i) of rows [begin, end), by kRowsOfMoments.
template <typename T, typename Term>
HWY_INLINE void add_up_rows(MatrixOf<const T> x, float* sums, std::int64_t begin, std::int64_t end, const Term& term) {
  const Floats d;
  std::int64_t row = begin;
  for (; row + kRowsOfMoments <= end; row += kRowsOfMoments) {
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      const auto first = hn::Add(term(access, x.row(row) + i, i), term(access, x.row(row + 1) + i, i));
      const auto second = hn::Add(term(access, x.row(row + 2) + i, i), term(access, x.row(row + 3) + i, i));
      access.store(hn::Add(access.load(d, sums + i), hn::Add(first, second)), d, sums + i);
    };
    for_each_vector(d, x.columns, step);
  }
  for (; row < end; ++row) {
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      access.store(hn::Add(access.load(d, sums + i), term(access, x.row(row) + i, i)), d, sums + i);
    };
    for_each_vector(d, x.columns, step);
  }
}

/// The sums of rows [begin, end), and then of the squares of their distances from the mean of these rows.
template <typename T>
void column_moments_of(MatrixOf<const T> x, float* sums, float* squares, std::int64_t begin, std::int64_t end) {
  const Floats d;
  const auto each = hn::Set(d, 1.0F / static_cast<float>(end - begin));
  const auto value = [&](auto access, const T* at, std::int64_t /*i*/)
                         TEMPER_VECTOR_LAMBDA { return access.load(d, at); };
  add_up_rows(x, sums, begin, end, value);
  const auto square = [&](auto access, const T* at, std::int64_t i) TEMPER_VECTOR_LAMBDA {
    const auto away = hn::NegMulAdd(access.load(d, sums + i), each, access.load(d, at));
    return hn::Mul(away, away);
  };
  add_up_rows(x, squares, begin, end, square);
}

}  // namespace

void channel_norm_rows(const calls::ChannelNormForward& call, const ColumnLines& lines, std::int64_t begin,
                       std::int64_t end) {
  (call.x.type == DType::bf16 ? channel_norm_of<BFloat16> : channel_norm_of<float>)(call, lines, begin, end);
}

void channel_norm_back_rows(const calls::ChannelNormBackward& call, const ColumnWaysBack& ways, float* normal_sums,
                            float* sums, std::int64_t begin, std::int64_t end) {
  (call.dy.type == DType::bf16 ? channel_norm_back_of<BFloat16> : channel_norm_back_of<float>)(call, ways, normal_sums,
                                                                                               sums, begin, end);
}

void channel_norm_freed_rows(const calls::ChannelNormBackward& call, ConstRows from, const ColumnWaysBack& ways,
                             std::int64_t begin, std::int64_t end) {
  (call.dy.type == DType::bf16 ? channel_norm_freed_of<BFloat16> : channel_norm_freed_of<float>)(call, from, ways,
                                                                                                 begin, end);
}

void column_moments(ConstRows x, float* sums, float* squares, std::int64_t begin, std::int64_t end) {
  if (x.type == DType::bf16) {
    column_moments_of(x.as<BFloat16>(), sums, squares, begin, end);
  } else {
    column_moments_of(x.as<float>(), sums, squares, begin, end);
  }
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(channel_norm_rows);
HWY_EXPORT(channel_norm_back_rows);
HWY_EXPORT(channel_norm_freed_rows);
HWY_EXPORT(column_moments);

namespace {

std::vector<float> zeros_of(std::int64_t columns) { return std::vector<float>(static_cast<std::size_t>(columns)); }

/// 1 / sqrt(variance + epsilon) of column i.
float scale_of_column(const ChannelStatisticsOf& statistics, std::size_t i) {
  return 1.0F / std::sqrt(statistics.variance[i] + statistics.epsilon);
}

void require_activation(std::string_view kernel, Activation activation) {
  if (activation != Activation::none && activation != Activation::relu)
    throw Error("{}: the activation is neither none nor relu; please report this", kernel);
}

}  // namespace

void CpuKernels::run(const calls::ChannelStatistics& call) {
  (void)common_type(call.kKernel.name, call.x);
  const std::int64_t rows = call.x.rows;
  const std::int64_t columns = call.x.columns;
  ColumnSums sums(rows, columns, true);
  ColumnSums squares(rows, columns, true);
  const std::int64_t block_rows = ColumnSums::block_rows(rows);
  const std::int64_t blocks = ColumnSums::blocks(rows);
  const auto rows_of = [&](std::int64_t block) {
    return std::min(rows, (block + 1) * block_rows) - block * block_rows;
  };
  parallel_ranges(blocks, block_rows * columns * 3, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t block = first; block < last; ++block) HWY_DYNAMIC_DISPATCH(column_moments)
    (call.x, sums.block(block), squares.block(block), block * block_rows, block * block_rows + rows_of(block));
  });
  // Blocks are put together one after the other (Chan, Golub, LeVeque: "Updating formulae and a pairwise algorithm for
  // computing sample variances", 1979).
  for (std::int64_t column = 0; column < columns; ++column) {
    double count = 0.0;
    double mean = 0.0;
    double square = 0.0;
    for (std::int64_t block = 0; block < blocks; ++block) {
      const auto of_block = static_cast<double>(rows_of(block));
      const double away = static_cast<double>(sums.block(block)[column]) / of_block - mean;
      square += static_cast<double>(squares.block(block)[column]) + away * away * count * of_block / (count + of_block);
      count += of_block;
      mean += away * of_block / count;
    }
    call.mean[column] = static_cast<float>(mean);
    call.variance[column] = static_cast<float>(square / std::max(count, 1.0));
  }
}

void CpuKernels::run(const calls::ChannelNormForward& call) {
  (void)common_type(call.kKernel.name, call.x, call.residual, call.y);
  require_activation(call.kKernel.name, call.activation);
  std::vector<float> factor = zeros_of(call.x.columns);
  std::vector<float> offset = zeros_of(call.x.columns);
  for (std::size_t i = 0; i < factor.size(); ++i) {
    factor[i] = scale_of_column(call.statistics, i) * (call.weight == nullptr ? 1.0F : call.weight[i]);
    offset[i] = (call.bias == nullptr ? 0.0F : call.bias[i]) - call.statistics.mean[i] * factor[i];
  }
  const ColumnLines lines{factor.data(), offset.data()};
  parallel_ranges(call.x.rows, call.x.columns * 2, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(channel_norm_rows)(call, lines, begin, end);
  });
}

void CpuKernels::run(const calls::ChannelNormBackward& call) {
  (void)common_type(call.kKernel.name, call.dy, call.x, call.y, call.g, call.dx);
  require_activation(call.kKernel.name, call.activation);
  const std::int64_t rows = call.dy.rows;
  const std::int64_t columns = call.dy.columns;
  std::vector<float> mean = zeros_of(columns);
  std::vector<float> scale = zeros_of(columns);
  std::vector<float> factor = zeros_of(columns);
  for (std::size_t i = 0; i < mean.size(); ++i) {
    mean[i] = call.statistics.mean[i];
    scale[i] = scale_of_column(call.statistics, i);
    factor[i] = scale[i] * (call.weight == nullptr ? 1.0F : call.weight[i]);
  }
  ColumnWaysBack ways{mean.data(), scale.data(), factor.data()};
  const bool frees = call.statistics_of_rows && call.dx.data != nullptr;
  ColumnSums normal_sums(rows, columns, call.d_weight != nullptr || frees);
  ColumnSums sums(rows, columns, call.d_bias != nullptr || frees);
  const std::int64_t block_rows = ColumnSums::block_rows(rows);
  parallel_ranges(ColumnSums::blocks(rows), block_rows * columns * 4, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t block = first; block < last; ++block) {
      HWY_DYNAMIC_DISPATCH(channel_norm_back_rows)
      (call, ways, normal_sums.block(block), sums.block(block), block * block_rows,
       std::min(rows, (block + 1) * block_rows));
    }
  });
  normal_sums.write(call.d_weight, call.accumulate_weight);
  sums.write(call.d_bias, call.accumulate_bias);
  if (!frees) return;
  std::vector<float> slope = zeros_of(columns);
  std::vector<float> offset = zeros_of(columns);
  normal_sums.write(slope.data(), false);
  sums.write(offset.data(), false);
  const float each = 1.0F / static_cast<float>(std::max<std::int64_t>(rows, 1));
  for (std::size_t i = 0; i < slope.size(); ++i) {
    slope[i] *= each * scale[i];
    offset[i] *= each;
  }
  ways.slope = slope.data();
  ways.offset = offset.data();
  const ConstRows from = call.g.data != nullptr ? ConstRows(call.g) : call.dy;
  parallel_ranges(rows, columns * 3, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(channel_norm_freed_rows)(call, from, ways, begin, end);
  });
}

}  // namespace temper
#endif  // HWY_ONCE

// Layer norm and RMS norm with what stands around them: dropout and the residual sum before it. A row is read once from
// memory; the passes after the first find it in the nearest cache.
#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/vector/column_sums.h"
#include "tensor/kernels/cpu/vector/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/layer_norm.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/vector/row_dropout-inl.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {

namespace {

/// A row's weights.
template <NormKind kKind>
struct Weights {
  const float* values;
  float offset;

  template <typename Access>
  HWY_INLINE hn::Vec<Floats> load(Access access, Floats d, std::int64_t i) const {
    const auto v = access.load(d, values + i);
    if constexpr (kKind == NormKind::layer) {
      return v;
    } else {
      return hn::Add(v, hn::Set(d, offset));
    }
  }
};

template <NormKind kKind, typename T>
void forward_typed(const calls::LayerNormForward& call, std::int64_t begin, std::int64_t end) {
  constexpr bool kCenters = kKind == NormKind::layer;
  constexpr bool kRounds = !std::is_same_v<T, float>;
  const Floats d;
  const auto x = call.x.as<T>();
  const auto residual = call.residual.as<T>();
  const auto y = call.y.as<T>();
  const auto sum = call.sum.as<T>();
  const Weights<kKind> weights{call.weight, call.weight_offset};
  const float* bias = call.bias;
  const std::int64_t columns = x.columns;
  // The statistics are those of the sum as it is stored, for backward will see no other.
  std::vector<float> sums(kRounds ? static_cast<std::size_t>(columns) : 0);
  const float inverse_columns = 1.0F / static_cast<float>(columns);
  RowDropout mask(call.dropout, call.names, columns);
  const bool drops = mask.active();
  for (std::int64_t row = begin; row < end; ++row) {
    mask.draw(row);
    const T* x_row = x.row(row);
    const T* residual_row = residual.data == nullptr ? nullptr : residual.row(row);
    T* y_row = y.row(row);
    T* kept_row = sum.data == nullptr ? nullptr : sum.row(row);
    float* sum_row = nullptr;
    if constexpr (kRounds) {
      sum_row = sums.data();
    } else {
      sum_row = kept_row == nullptr ? y_row : kept_row;
    }

    auto total = hn::Zero(d);
    const auto add_up = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      auto v = access.load(d, x_row + i);
      if (drops) {
        v = mask.apply(d, v, i);
      }
      if (residual_row != nullptr) {
        v = hn::Add(v, access.load(d, residual_row + i));
      }
      if constexpr (kRounds) {
        v = widen(d, narrowed(d, v));
        if (kept_row != nullptr) {
          access.store(v, d, kept_row + i);
        }
      }
      access.store(v, d, sum_row + i);
      const auto valid = access.valid_or_zero(d, v);
      total = kCenters ? hn::Add(total, valid) : hn::MulAdd(valid, valid, total);
    };
    for_each_vector(d, columns, add_up);
    const float row_mean = kCenters ? hn::GetLane(hn::SumOfLanes(d, total)) * inverse_columns : 0.0F;

    auto squares = kCenters ? hn::Zero(d) : total;
    const auto center = hn::Set(d, row_mean);
    if constexpr (kCenters) {
      const auto add_squares = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
        const auto difference = access.valid_or_zero(d, hn::Sub(access.load(d, sum_row + i), center));
        squares = hn::MulAdd(difference, difference, squares);
      };
      for_each_vector(d, columns, add_squares);
    }
    const float variance = hn::GetLane(hn::SumOfLanes(d, squares)) * inverse_columns;
    const float row_rstd = 1.0F / std::sqrt(variance + call.epsilon);

    const auto factor = hn::Set(d, row_rstd);
    const auto normalize = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      const auto v = access.load(d, sum_row + i);
      const auto normal = hn::Mul(kCenters ? hn::Sub(v, center) : v, factor);
      const auto scaled = weights.load(access, d, i);
      access.store(bias == nullptr ? hn::Mul(normal, scaled) : hn::MulAdd(normal, scaled, access.load(d, bias + i)), d,
                   y_row + i);
    };
    for_each_vector(d, columns, normalize);
    if (kCenters && call.mean != nullptr) {
      call.mean[row] = row_mean;
    }
    if (call.rstd != nullptr) {
      call.rstd[row] = row_rstd;
    }
  }
}

/// d = d_sum + rstd (g - mean(g) - normal mean(g normal)), where g = dy weight and normal = (sum - mean) rstd; of a
/// root-mean-square norm mean and mean(g) are left out.
template <NormKind kKind, typename T>
void backward_typed(const calls::LayerNormBackward& call, float* weight_sums, float* bias_sums, std::int64_t begin,
                    std::int64_t end) {
  constexpr bool kCenters = kKind == NormKind::layer;
  const Floats d;
  const auto dy = call.dy.as<T>();
  const auto sum = call.sum.as<T>();
  const auto d_sum = call.d_sum.as<T>();
  const auto dx = call.dx.as<T>();
  const auto d_residual = call.d_residual.as<T>();
  const bool accumulate_residual = call.accumulate_residual;
  const Weights<kKind> weights{call.weight, call.weight_offset};
  const std::int64_t columns = dy.columns;
  const float inverse_columns = 1.0F / static_cast<float>(columns);
  const bool drops = call.dropout.active() && dx.data != nullptr;
  RowDropout mask(drops ? call.dropout : Dropout{}, call.names, columns);
  for (std::int64_t row = begin; row < end; ++row) {
    const T* dy_row = dy.row(row);
    const T* sum_row = sum.row(row);
    const auto center = hn::Set(d, kCenters ? call.mean[row] : 0.0F);
    const auto factor = hn::Set(d, call.rstd[row]);
    const auto normal_at = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      const auto v = access.load(d, sum_row + i);
      return hn::Mul(kCenters ? hn::Sub(v, center) : v, factor);
    };

    auto total = hn::Zero(d);
    auto normal_total = hn::Zero(d);
    const auto add_up = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      const auto v = access.load(d, dy_row + i);  // zero beyond the end, and so is what comes of it
      const auto normal = normal_at(access, i);
      const auto g = hn::Mul(v, weights.load(access, d, i));
      if constexpr (kCenters) {
        total = hn::Add(total, g);
      }
      normal_total = hn::MulAdd(g, normal, normal_total);
      if (weight_sums != nullptr) {
        access.store(hn::MulAdd(v, normal, access.load(d, weight_sums + i)), d, weight_sums + i);
      }
      if (bias_sums != nullptr) {
        access.store(hn::Add(v, access.load(d, bias_sums + i)), d, bias_sums + i);
      }
    };
    for_each_vector(d, columns, add_up);
    if (dx.data == nullptr && d_residual.data == nullptr) {
      continue;
    }

    const auto mean_g = hn::Set(d, kCenters ? hn::GetLane(hn::SumOfLanes(d, total)) * inverse_columns : 0.0F);
    const auto mean_normal_g = hn::Set(d, hn::GetLane(hn::SumOfLanes(d, normal_total)) * inverse_columns);
    T* dx_row = dx.data == nullptr ? nullptr : dx.row(row);
    T* residual_row = d_residual.data == nullptr ? nullptr : d_residual.row(row);
    const T* d_sum_row = d_sum.data == nullptr ? nullptr : d_sum.row(row);
    mask.draw(row);
    const auto propagate = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      const auto normal = normal_at(access, i);
      const auto g = hn::Mul(access.load(d, dy_row + i), weights.load(access, d, i));
      auto change = hn::Mul(factor, hn::NegMulAdd(normal, mean_normal_g, kCenters ? hn::Sub(g, mean_g) : g));
      if (d_sum_row != nullptr) {
        change = hn::Add(change, access.load(d, d_sum_row + i));
      }
      if (residual_row != nullptr) {
        access.store(accumulate_residual ? hn::Add(access.load(d, residual_row + i), change) : change, d,
                     residual_row + i);
      }
      if (dx_row != nullptr) {
        access.store(drops ? mask.apply(d, change, i) : change, d, dx_row + i);
      }
    };
    for_each_vector(d, columns, propagate);
  }
}

/// function.template operator()<kind, type>().
template <typename Function>
void with_kind_and_type(NormKind kind, DType type, const Function& function) {
  const bool rounds = type == DType::bf16;
  if (kind == NormKind::layer) {
    rounds ? function.template operator()<NormKind::layer, BFloat16>()
           : function.template operator()<NormKind::layer, float>();
  } else {
    rounds ? function.template operator()<NormKind::root_mean_square, BFloat16>()
           : function.template operator()<NormKind::root_mean_square, float>();
  }
}

}  // namespace

void layer_norm_forward_rows(const calls::LayerNormForward& call, std::int64_t begin, std::int64_t end) {
  with_kind_and_type(call.kind, call.x.type,
                     [&]<NormKind kKind, typename T>() { forward_typed<kKind, T>(call, begin, end); });
}

void layer_norm_backward_rows(const calls::LayerNormBackward& call, float* weight_sums, float* bias_sums,
                              std::int64_t begin, std::int64_t end) {
  with_kind_and_type(call.kind, call.dy.type, [&]<NormKind kKind, typename T>() {
    backward_typed<kKind, T>(call, weight_sums, bias_sums, begin, end);
  });
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(layer_norm_forward_rows);
HWY_EXPORT(layer_norm_backward_rows);

void CpuKernels::run(const calls::LayerNormForward& call) {
  (void)common_type(call.kKernel.name, call.x, call.residual, call.y, call.sum);
  parallel_ranges(call.x.rows, call.x.columns * 4, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(layer_norm_forward_rows)
    (call, begin, end);
  });
}

void CpuKernels::run(const calls::LayerNormBackward& call) {
  (void)common_type(call.kKernel.name, call.dy, call.sum, call.d_sum, call.dx, call.d_residual);
  ColumnSums weight_sums(call.dy.rows, call.dy.columns, call.d_weight != nullptr);
  ColumnSums bias_sums(call.dy.rows, call.dy.columns, call.d_bias != nullptr);
  const std::int64_t block_rows = ColumnSums::block_rows(call.dy.rows);
  parallel_ranges(ColumnSums::blocks(call.dy.rows), block_rows * call.dy.columns * 4,
                  [&](std::int64_t first, std::int64_t last) {
                    for (std::int64_t block = first; block < last; ++block) {
                      HWY_DYNAMIC_DISPATCH(layer_norm_backward_rows)
                      (call, weight_sums.block(block), bias_sums.block(block), block * block_rows,
                       std::min(call.dy.rows, (block + 1) * block_rows));
                    }
                  });
  weight_sums.write(call.d_weight, call.accumulate_weight);
  bias_sums.write(call.d_bias, call.accumulate_bias);
}

}  // namespace temper
#endif  // HWY_ONCE

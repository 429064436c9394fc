// Layer norm and RMS norm with what stands around them: dropout and the residual sum before it. A row is read once: a
// warp (or, where it is wide, a block) keeps it in registers. Rows that do not begin on 16 bytes, or are wider than
// that, are read again for every pass.
//
// The statistics are those of the sum as it is stored, so that backward, which reads it there, fits.
#include <cstdint>
#include <type_traits>

#include "tensor/kernels/cuda/block_sum.cuh"
#include "tensor/kernels/cuda/column_sums.cuh"
#include "tensor/kernels/cuda/cuda_kernels.h"
#include "tensor/kernels/cuda/element.cuh"
#include "tensor/kernels/cuda/launch.cuh"
#include "tensor/kernels/cuda/row_dropout.cuh"

namespace temper {
namespace {

template <typename T>
struct Forward {
  MatrixOf<const T> x;
  MatrixOf<const T> residual;
  TokenKeys names;
  DropoutMask mask;
  const float* weight;
  const float* bias;
  float epsilon;
  NormKind kind;
  float weight_offset;
  MatrixOf<T> y;
  MatrixOf<T> sum;
  float* mean;
  float* rstd;
};

template <typename T>
struct Backward {
  MatrixOf<const T> dy;
  MatrixOf<const T> sum;
  const float* mean;
  const float* rstd;
  const float* weight;
  NormKind kind;
  float weight_offset;
  MatrixOf<const T> d_sum;
  TokenKeys names;
  DropoutMask mask;
  MatrixOf<T> dx;
  MatrixOf<T> d_residual;
  bool accumulate_residual;
};

/// Of a layer norm; a root-mean-square norm takes the mean to be 0.
template <typename Arguments>
__device__ bool centers(const Arguments& of) {
  return of.kind == NormKind::layer;
}

/// The weights of kWidth columns from there on.
template <typename Arguments, int kWidth>
__device__ void load_weights(const Arguments& of, std::int64_t column, float (&weights)[kWidth]) {
  load(of.weight + column, kWidth, weights);
  if (centers(of)) return;
#pragma unroll
  for (int i = 0; i < kWidth; ++i) weights[i] += of.weight_offset;
}

/// Over the kTeam threads that share a row: a warp, or a block.
template <int kTeam>
__device__ float sum_of_team(float value) {
  if constexpr (kTeam == kWarp) return over_warp(Sum{}, value);
  return over_block<kTeam>(Sum{}, value);
}

/// dropout(x) + residual, rounded.
template <typename T, int kWidth>
__device__ void load_sum(const Forward<T>& of, std::int64_t row, std::int64_t column, float (&values)[kWidth]) {
  load(row_of(of.x, row) + column, kWidth, values);
  if (of.mask.threshold != 0) {
    drop_columns(of.mask, of.names.example_of(row), of.names.position_of(row), column, values);
  }
  if (of.residual.data != nullptr) {
    float residuals[kWidth];
    load(row_of(of.residual, row) + column, kWidth, residuals);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) values[i] += residuals[i];
  }
#pragma unroll
  for (int i = 0; i < kWidth; ++i) values[i] = rounded<T>(values[i]);
}

template <typename T>
__device__ void store_statistics(const Forward<T>& of, std::int64_t row, float mean, float rstd) {
  if (of.mean != nullptr && centers(of)) of.mean[row] = mean;
  if (of.rstd != nullptr) of.rstd[row] = rstd;
}

/// Writes what comes of `change`, the norm's part of the gradient of the sum, of kWidth columns.
template <typename T, int kWidth>
__device__ void store_gradients(const Backward<T>& of, std::int64_t row, std::int64_t column, float (&change)[kWidth]) {
  if (of.d_sum.data != nullptr) {
    float others[kWidth];
    load(row_of(of.d_sum, row) + column, kWidth, others);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) change[i] += others[i];
  }
  if (of.d_residual.data != nullptr) {
    T* to = row_of(of.d_residual, row) + column;
    float values[kWidth] = {};
    if (of.accumulate_residual) load(to, kWidth, values);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) values[i] += change[i];
    store(values, kWidth, to);
  }
  if (of.dx.data != nullptr) {
    if (of.mask.threshold != 0) {
      drop_columns(of.mask, of.names.example_of(row), of.names.position_of(row), column, change);
    }
    store(change, kWidth, row_of(of.dx, row) + column);
  }
}

// ---- rows in registers ----------------------------------------------------------------------------------------------

/// kTeam threads per row, each with kPacks packs of it.
template <typename T, int kTeam, int kPacks>
__global__ void __launch_bounds__(kThreads) forward_in_registers(Forward<T> of) {
  const int member = static_cast<int>(threadIdx.x) % kTeam;
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * (kThreads / kTeam) + threadIdx.x / kTeam;
  if (row >= of.x.rows) return;  // the whole team
  const std::int64_t columns = of.x.columns;
  const float inverse_columns = 1.0F / static_cast<float>(columns);

  Pack<T> kept[kPacks] = {};
  float total = 0.0F;
#pragma unroll
  for (int p = 0; p < kPacks; ++p) {
    const std::int64_t column = static_cast<std::int64_t>(p * kTeam + member) * kPack;
    if (column < columns) {
      float values[kPack];
      load_sum(of, row, column, values);
      kept[p] = packed<T>(values);
      if (of.sum.data != nullptr) store_pack(kept[p], row_of(of.sum, row) + column);
#pragma unroll
      for (int i = 0; i < kPack; ++i) total += values[i];
    }
  }
  const float mean = centers(of) ? sum_of_team<kTeam>(total) * inverse_columns : 0.0F;

  float squares = 0.0F;
#pragma unroll
  for (int p = 0; p < kPacks; ++p) {
    if ((p * kTeam + member) * kPack < columns) {
      float values[kPack];
      unpack(kept[p], values);
#pragma unroll
      for (int i = 0; i < kPack; ++i) squares = fmaf(values[i] - mean, values[i] - mean, squares);
    }
  }
  const float rstd = 1.0F / sqrtf(fmaf(sum_of_team<kTeam>(squares), inverse_columns, of.epsilon));

#pragma unroll
  for (int p = 0; p < kPacks; ++p) {
    const std::int64_t column = static_cast<std::int64_t>(p * kTeam + member) * kPack;
    if (column < columns) {
      float values[kPack];
      float weights[kPack];
      float biases[kPack] = {};
      unpack(kept[p], values);
      load_weights(of, column, weights);
      if (of.bias != nullptr) load(of.bias + column, kPack, biases);
#pragma unroll
      for (int i = 0; i < kPack; ++i) values[i] = fmaf((values[i] - mean) * rstd, weights[i], biases[i]);
      store(values, kPack, row_of(of.y, row) + column);
    }
  }
  if (member == 0) store_statistics(of, row, mean, rstd);
}

/// Adds up the sums of the teams of a block, each thread's being those of its columns, and writes them.
template <int kTeam, int kPacks>
__device__ void store_partial(const float (&sums)[kPacks][kPack], std::int64_t columns, float* partial) {
  const int member = static_cast<int>(threadIdx.x) % kTeam;
  float* to = partial + blockIdx.x * columns;
  if constexpr (kTeam == kThreads) {
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
      const std::int64_t column = static_cast<std::int64_t>(p * kTeam + member) * kPack;
      if (column < columns) store(sums[p], kPack, to + column);
    }
  } else {
    constexpr int kTeams = kThreads / kTeam;
    constexpr int kColumns = kTeam * kPack;
    __shared__ float sums_of[kTeams][kColumns];
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
#pragma unroll
      for (int i = 0; i < kPack; ++i) sums_of[threadIdx.x / kTeam][member * kPack + i] = sums[p][i];
      __syncthreads();
      for (int own = static_cast<int>(threadIdx.x); own < kColumns; own += kThreads) {
        float total = 0.0F;
#pragma unroll
        for (int team = 0; team < kTeams; ++team) total += sums_of[team][own];
        if (p * kColumns + own < columns) to[p * kColumns + own] = total;
      }
      __syncthreads();
    }
  }
}

/// The gradient of the sum is d_sum + rstd (g - mean(g) - normal mean(g normal)), where g = dy weight and normal = (sum
/// - mean) rstd; of a root-mean-square norm mean and mean(g) are 0. A block has rows_each rows; what it sums over them
/// goes to d_weight and d_bias [blocks, columns], each of which may be null.
template <typename T, int kTeam, int kPacks>
__global__ void __launch_bounds__(kThreads)
    backward_in_registers(Backward<T> of, std::int64_t rows_each, float* d_weight, float* d_bias) {
  constexpr int kTeams = kThreads / kTeam;
  const int member = static_cast<int>(threadIdx.x) % kTeam;
  const std::int64_t columns = of.dy.columns;
  const float inverse_columns = 1.0F / static_cast<float>(columns);
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x) * rows_each;
  const std::int64_t end = begin + rows_each < of.dy.rows ? begin + rows_each : of.dy.rows;
  const bool propagates = of.dx.data != nullptr || of.d_residual.data != nullptr;

  float weight_sums[kPacks][kPack] = {};
  float bias_sums[kPacks][kPack] = {};
  for (std::int64_t row = begin + threadIdx.x / kTeam; row < end; row += kTeams) {
    const float mean = centers(of) ? of.mean[row] : 0.0F;
    const float rstd = of.rstd[row];
    Pack<T> kept_dy[kPacks] = {};
    Pack<T> kept_sum[kPacks] = {};
    float total = 0.0F;
    float normal_total = 0.0F;
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
      const std::int64_t column = static_cast<std::int64_t>(p * kTeam + member) * kPack;
      if (column < columns) {
        kept_dy[p] = load_pack(row_of(of.dy, row) + column);
        kept_sum[p] = load_pack(row_of(of.sum, row) + column);
        float dy[kPack];
        float normal[kPack];
        float weights[kPack];
        unpack(kept_dy[p], dy);
        unpack(kept_sum[p], normal);
        load_weights(of, column, weights);
#pragma unroll
        for (int i = 0; i < kPack; ++i) {
          normal[i] = (normal[i] - mean) * rstd;
          const float g = dy[i] * weights[i];
          total += g;
          normal_total = fmaf(g, normal[i], normal_total);
          weight_sums[p][i] = fmaf(dy[i], normal[i], weight_sums[p][i]);
          bias_sums[p][i] += dy[i];
        }
      }
    }
    if (!propagates) continue;
    const float mean_g = centers(of) ? sum_of_team<kTeam>(total) * inverse_columns : 0.0F;
    const float mean_normal_g = sum_of_team<kTeam>(normal_total) * inverse_columns;
#pragma unroll
    for (int p = 0; p < kPacks; ++p) {
      const std::int64_t column = static_cast<std::int64_t>(p * kTeam + member) * kPack;
      if (column < columns) {
        float values[kPack];
        float normal[kPack];
        float weights[kPack];
        unpack(kept_dy[p], values);
        unpack(kept_sum[p], normal);
        load_weights(of, column, weights);
#pragma unroll
        for (int i = 0; i < kPack; ++i) {
          normal[i] = (normal[i] - mean) * rstd;
          values[i] = rstd * fmaf(-normal[i], mean_normal_g, fmaf(values[i], weights[i], -mean_g));
        }
        store_gradients(of, row, column, values);
      }
    }
  }
  if (d_weight != nullptr) store_partial<kTeam>(weight_sums, columns, d_weight);
  if (d_bias != nullptr) store_partial<kTeam>(bias_sums, columns, d_bias);
}

// ---- any rows -------------------------------------------------------------------------------------------------------

/// One block per row. The sum lies meanwhile where it is wanted, or else in y, as rounded as it would be there.
template <typename T>
__global__ void __launch_bounds__(kThreads) forward_any(Forward<T> of) {
  const std::int64_t row = blockIdx.x;
  const std::int64_t columns = of.x.columns;
  const float inverse_columns = 1.0F / static_cast<float>(columns);
  T* y = row_of(of.y, row);
  T* sum = of.sum.data != nullptr ? row_of(of.sum, row) : y;
  float total = 0.0F;
  for (std::int64_t column = threadIdx.x; column < columns; column += kThreads) {
    float value[1];
    load_sum(of, row, column, value);
    write(value[0], sum + column);
    total += value[0];
  }
  const float mean = centers(of) ? over_block<kThreads>(Sum{}, total) * inverse_columns : 0.0F;
  float squares = 0.0F;
  for (std::int64_t column = threadIdx.x; column < columns; column += kThreads) {
    const float difference = read(sum + column) - mean;
    squares = fmaf(difference, difference, squares);
  }
  const float rstd = 1.0F / sqrtf(fmaf(over_block<kThreads>(Sum{}, squares), inverse_columns, of.epsilon));
  for (std::int64_t column = threadIdx.x; column < columns; column += kThreads) {
    const float bias = of.bias != nullptr ? of.bias[column] : 0.0F;
    float weight[1];
    load_weights(of, column, weight);
    write(fmaf((read(sum + column) - mean) * rstd, weight[0], bias), y + column);
  }
  if (threadIdx.x == 0) store_statistics(of, row, mean, rstd);
}

/// One block per row; the gradients of weight and bias are summed elsewhere.
template <typename T>
__global__ void __launch_bounds__(kThreads) backward_any(Backward<T> of) {
  const std::int64_t row = blockIdx.x;
  const std::int64_t columns = of.dy.columns;
  const float inverse_columns = 1.0F / static_cast<float>(columns);
  const T* dy = row_of(of.dy, row);
  const T* sum = row_of(of.sum, row);
  const float mean = centers(of) ? of.mean[row] : 0.0F;
  const float rstd = of.rstd[row];
  float total = 0.0F;
  float normal_total = 0.0F;
  for (std::int64_t column = threadIdx.x; column < columns; column += kThreads) {
    float weight[1];
    load_weights(of, column, weight);
    const float g = read(dy + column) * weight[0];
    total += g;
    normal_total = fmaf(g, (read(sum + column) - mean) * rstd, normal_total);
  }
  const float mean_g = centers(of) ? over_block<kThreads>(Sum{}, total) * inverse_columns : 0.0F;
  const float mean_normal_g = over_block<kThreads>(Sum{}, normal_total) * inverse_columns;
  for (std::int64_t column = threadIdx.x; column < columns; column += kThreads) {
    const float normal = (read(sum + column) - mean) * rstd;
    float weight[1];
    load_weights(of, column, weight);
    float change[1] = {rstd * fmaf(-normal, mean_normal_g, fmaf(read(dy + column), weight[0], -mean_g))};
    store_gradients(of, row, column, change);
  }
}

/// Terms of the gradient of the bias.
template <typename T>
struct BiasTerm {
  MatrixOf<const T> dy;

  template <int kWidth>
  __device__ void operator()(std::int64_t row, std::int64_t column, int count, float (&values)[kWidth]) const {
    load(row_of(dy, row) + column, count, values);
  }
};

/// Terms of the gradient of the weight.
template <typename T>
struct WeightTerm {
  MatrixOf<const T> dy;
  MatrixOf<const T> sum;
  const float* mean;  ///< null: 0
  const float* rstd;

  template <int kWidth>
  __device__ void operator()(std::int64_t row, std::int64_t column, int count, float (&values)[kWidth]) const {
    float sums[kWidth];
    load(row_of(dy, row) + column, count, values);
    load(row_of(sum, row) + column, count, sums);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) values[i] *= (sums[i] - (mean != nullptr ? mean[row] : 0.0F)) * rstd[row];
  }
};

// ---- which ----------------------------------------------------------------------------------------------------------

template <int kNumber>
using Constant = std::integral_constant<int, kNumber>;

/// Calls function(team, packs) with the numbers of threads per row and packs per thread that keep a row in registers.
/// False if there are none.
template <typename Function>
bool with_team(std::int64_t columns, const Function& function) {
  const std::int64_t packs = columns / kPack;
  if (columns % kPack != 0) return false;
  switch (parts(packs, kWarp)) {
    case 1:
      function(Constant<kWarp>{}, Constant<1>{});
      return true;
    case 2:
      function(Constant<kWarp>{}, Constant<2>{});
      return true;
    case 3:
      function(Constant<kWarp>{}, Constant<3>{});
      return true;
    case 4:
      function(Constant<kWarp>{}, Constant<4>{});
      return true;
    default:
      break;
  }
  switch (parts(packs, kThreads)) {
    case 1:
      function(Constant<kThreads>{}, Constant<1>{});
      return true;
    case 2:
      function(Constant<kThreads>{}, Constant<2>{});
      return true;
    default:
      return false;
  }
}

}  // namespace

void CudaKernels::run(const calls::LayerNormForward& call) {
  const bool in_packs = rows_begin_packs(call.x) && rows_begin_packs(call.residual) && rows_begin_packs(call.y) &&
                        rows_begin_packs(call.sum) && begins_pack(call.weight) && begins_pack(call.bias);
  with_type(call.x.type, [&]<typename T>(std::type_identity<T>) {
    const Forward<T> of{call.x.as<T>(),     call.residual.as<T>(),
                        call.names,         mask_of(call.dropout),
                        call.weight,        call.bias,
                        call.epsilon,       call.kind,
                        call.weight_offset, call.y.as<T>(),
                        call.sum.as<T>(),   call.mean,
                        call.rstd};
    const auto in_registers = [&]<int kTeam, int kPacks>(Constant<kTeam>, Constant<kPacks>) {
      launch(forward_in_registers<T, kTeam, kPacks>, dim3(parts(call.x.rows, kThreads / kTeam)), kThreads, 0, stream_,
             of);
    };
    if (in_packs && with_team(call.x.columns, in_registers)) return;
    launch(forward_any<T>, dim3(static_cast<unsigned>(call.x.rows)), kThreads, 0, stream_, of);
  });
}

void CudaKernels::run(const calls::LayerNormBackward& call) {
  const ColumnSums weight_sums(stream_, memory_, call.dy.rows, call.dy.columns, call.d_weight, call.accumulate_weight);
  const ColumnSums bias_sums(stream_, memory_, call.dy.rows, call.dy.columns, call.d_bias, call.accumulate_bias);
  const bool sums_in_packs = rows_begin_packs(call.dy) && rows_begin_packs(call.sum);
  const bool in_packs = sums_in_packs && rows_begin_packs(call.d_sum) && rows_begin_packs(call.dx) &&
                        rows_begin_packs(call.d_residual) && begins_pack(call.weight);
  with_type(call.dy.type, [&]<typename T>(std::type_identity<T>) {
    const Backward<T> of{call.dy.as<T>(),
                         call.sum.as<T>(),
                         call.mean,
                         call.rstd,
                         call.weight,
                         call.kind,
                         call.weight_offset,
                         call.d_sum.as<T>(),
                         call.names,
                         mask_of(call.dropout),
                         call.dx.as<T>(),
                         call.d_residual.as<T>(),
                         call.accumulate_residual};
    const auto in_registers = [&]<int kTeam, int kPacks>(Constant<kTeam>, Constant<kPacks>) {
      const RowRanges ranges(call.dy.rows);
      launch(backward_in_registers<T, kTeam, kPacks>, dim3(ranges.count), kThreads, 0, stream_, of, ranges.rows_each,
             weight_sums.partial(), bias_sums.partial());
    };
    if (in_packs && with_team(call.dy.columns, in_registers)) return;
    // The sums first: dx may lie where dy does.
    with_width(sums_in_packs, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      if (call.d_weight != nullptr) {
        const float* mean = call.kind == NormKind::layer ? call.mean : nullptr;
        weight_sums.add_up<kWidth>(WeightTerm<T>{call.dy.as<T>(), call.sum.as<T>(), mean, call.rstd}, call.dy.rows);
      }
      if (call.d_bias != nullptr) bias_sums.add_up<kWidth>(BiasTerm<T>{call.dy.as<T>()}, call.dy.rows);
    });
    if (call.dx.data != nullptr || call.d_residual.data != nullptr) {
      launch(backward_any<T>, dim3(static_cast<unsigned>(call.dy.rows)), kThreads, 0, stream_, of);
    }
  });
  weight_sums.finish();
  bias_sums.finish();
}

}  // namespace temper

// Bias, activation and dropout. An activation's slope and the gradient of the bias come from one pass over dy.
#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/quantized_blocks.h"
#include "tensor/kernels/cpu/vector/column_sums.h"
#include "tensor/kernels/cpu/vector/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/activation.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/activation_functions-inl.h"
#include "tensor/kernels/cpu/vector/float16_loads-inl.h"
#include "tensor/kernels/cpu/vector/row_dropout-inl.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace {

template <class Function, typename T>
void forward_rows(MatrixOf<T> z, const T* bias, MatrixOf<T> y, std::int64_t begin, std::int64_t end) {
  const Floats d;
  const bool writes_y = y.data != z.data || !std::is_same_v<Function, Identity>;
  for (std::int64_t row = begin; row < end; ++row) {
    T* z_row = z.row(row);
    T* y_row = y.row(row);
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      auto v = access.load(d, z_row + i);
      if (bias != nullptr) {
        v = hn::Add(v, access.load(d, bias + i));
        access.store(v, d, z_row + i);
      }
      if (writes_y) {
        access.store(Function::value(d, v), d, y_row + i);
      }
    };
    for_each_vector(d, z.columns, step);
  }
}

template <class Function, typename T>
void backward_rows(MatrixOf<const T> dy, MatrixOf<const T> z, MatrixOf<const T> y, MatrixOf<T> dz, float* sums,
                   std::int64_t begin, std::int64_t end) {
  const Floats d;
  const bool writes_dz = Function::kReadsZ || Function::kReadsY || dz.data != dy.data;
  for (std::int64_t row = begin; row < end; ++row) {
    const T* dy_row = dy.row(row);
    const T* z_row = Function::kReadsZ ? z.row(row) : nullptr;
    const T* y_row = Function::kReadsY ? y.row(row) : nullptr;
    T* dz_row = dz.row(row);
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      auto v = access.load(d, dy_row + i);
      if constexpr (Function::kReadsZ) {
        v = hn::Mul(v, Function::slope(d, access.load(d, z_row + i), v));
      }
      if constexpr (Function::kReadsY) {
        v = hn::Mul(v, Function::slope(d, v, access.load(d, y_row + i)));
      }
      if (writes_dz) {
        access.store(v, d, dz_row + i);
      }
      if (sums != nullptr) {
        access.store(hn::Add(access.load(d, sums + i), v), d, sums + i);
      }
    };
    for_each_vector(d, dy.columns, step);
  }
}

template <typename T>
void forward_typed(MatrixOf<T> z, const T* bias, Activation activation, MatrixOf<T> y, std::int64_t begin,
                   std::int64_t end) {
  with_activation(activation, [&]<class Function>(Function) { forward_rows<Function, T>(z, bias, y, begin, end); });
}

template <typename T>
void backward_typed(MatrixOf<const T> dy, MatrixOf<const T> z, MatrixOf<const T> y, Activation activation,
                    MatrixOf<T> dz, float* sums, std::int64_t begin, std::int64_t end) {
  with_activation(activation,
                  [&]<class Function>(Function) { backward_rows<Function, T>(dy, z, y, dz, sums, begin, end); });
}

template <typename T>
void dropout_typed(MatrixOf<const T> x, TokenKeys names, const Dropout& dropout, MatrixOf<T> y, std::int64_t begin,
                   std::int64_t end) {
  const Floats d;
  RowDropout mask(dropout, names, x.columns);
  for (std::int64_t row = begin; row < end; ++row) {
    mask.draw(row);
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      access.store(mask.apply(d, access.load(d, x.row(row) + i), i), d, y.row(row) + i);
    };
    for_each_vector(d, x.columns, step);
  }
}

template <typename From, typename To>
void copy_typed(const void* from, void* to, std::int64_t n, bool accumulate) {
  const Floats d;
  const auto* x = static_cast<const From*>(from);
  auto* y = static_cast<To*>(to);
  const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
    auto v = load_weights(access, d, x + i);
    if (accumulate) {
      v = hn::Add(access.load(d, y + i), v);
    }
    access.store(v, d, y + i);
  };
  for_each_vector(d, n, step);
}

}  // namespace

void bias_activation_rows(Rows z, ConstRows bias, Activation activation, Rows y, std::int64_t begin, std::int64_t end) {
  if (z.type == DType::bf16) {
    forward_typed(z.as<BFloat16>(), bias.as<BFloat16>().data, activation, y.as<BFloat16>(), begin, end);
  } else {
    forward_typed(z.as<float>(), bias.as<float>().data, activation, y.as<float>(), begin, end);
  }
}

void bias_activation_backward_rows(ConstRows dy, ConstRows z, ConstRows y, Activation activation, Rows dz, float* sums,
                                   std::int64_t begin, std::int64_t end) {
  if (dy.type == DType::bf16) {
    backward_typed(dy.as<BFloat16>(), z.as<BFloat16>(), y.as<BFloat16>(), activation, dz.as<BFloat16>(), sums, begin,
                   end);
  } else {
    backward_typed(dy.as<float>(), z.as<float>(), y.as<float>(), activation, dz.as<float>(), sums, begin, end);
  }
}

void dropout_rows(ConstRows x, TokenKeys names, const Dropout& dropout, Rows y, std::int64_t begin, std::int64_t end) {
  if (x.type == DType::bf16) {
    dropout_typed(x.as<BFloat16>(), names, dropout, y.as<BFloat16>(), begin, end);
  } else {
    dropout_typed(x.as<float>(), names, dropout, y.as<float>(), begin, end);
  }
}

/// y (+)= x of n elements.
void copy_elements(const void* x, DType x_type, void* y, DType y_type, std::int64_t n, bool accumulate) {
  if (x_type == DType::f16) {
    (y_type == DType::bf16 ? copy_typed<Float16, BFloat16> : copy_typed<Float16, float>)(x, y, n, accumulate);
  } else if (x_type == DType::bf16) {
    (y_type == DType::bf16 ? copy_typed<BFloat16, BFloat16> : copy_typed<BFloat16, float>)(x, y, n, accumulate);
  } else {
    (y_type == DType::bf16 ? copy_typed<float, BFloat16> : copy_typed<float, float>)(x, y, n, accumulate);
  }
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(bias_activation_rows);
HWY_EXPORT(bias_activation_backward_rows);
HWY_EXPORT(dropout_rows);
HWY_EXPORT(copy_elements);

namespace {

// What an element costs beside one that is only moved.
std::int64_t work_of(Activation activation) { return activation == Activation::none ? 1 : 4; }

/// n elements; of one type and not to be added, they are only moved.
void copy_range(const void* from, DType from_type, void* to, DType to_type, std::int64_t n, bool accumulate) {
  if (accumulate || from_type != to_type) {
    HWY_DYNAMIC_DISPATCH(copy_elements)(from, from_type, to, to_type, n, accumulate);
  } else if (from != to) {
    std::memcpy(to, from, static_cast<std::size_t>(n) * size_of(from_type));
  }
}

void copy_decoded(const calls::Copy& call) {
  parallel_ranges(call.x.rows, call.x.columns, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> row(static_cast<std::size_t>(call.x.columns));
    for (std::int64_t i = begin; i < end; ++i) {
      decode_rows(call.x.part(i, 1), row.data(), call.x.columns);
      copy_range(row.data(), DType::f32, call.y.at(i, 0), call.y.type, call.x.columns, call.accumulate);
    }
  });
}

}  // namespace

void CpuKernels::run(const calls::BiasActivationForward& call) {
  (void)common_type(call.kKernel.name, call.z, call.bias, call.y);
  if (call.bias.data == nullptr && call.activation == Activation::none && call.y.data == call.z.data) {
    return;
  }
  parallel_ranges(call.z.rows, call.z.columns * work_of(call.activation), [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(bias_activation_rows)(call.z, call.bias, call.activation, call.y, begin, end);
  });
}

void CpuKernels::run(const calls::BiasActivationBackward& call) {
  (void)common_type(call.kKernel.name, call.dy, call.z, call.y, call.dz);
  if (call.d_bias == nullptr && call.activation == Activation::none && call.dz.data == call.dy.data) {
    return;
  }
  ColumnSums sums(call.dy.rows, call.dy.columns, call.d_bias != nullptr);
  const std::int64_t block_rows = ColumnSums::block_rows(call.dy.rows);
  const std::int64_t work = block_rows * call.dy.columns * work_of(call.activation);
  parallel_ranges(ColumnSums::blocks(call.dy.rows), work, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t block = first; block < last; ++block) {
      HWY_DYNAMIC_DISPATCH(bias_activation_backward_rows)
      (call.dy, call.z, call.y, call.activation, call.dz, sums.block(block), block * block_rows,
       std::min(call.dy.rows, (block + 1) * block_rows));
    }
  });
  sums.write(call.d_bias, call.accumulate_bias);
}

void CpuKernels::run(const calls::ApplyDropout& call) {
  (void)common_type(call.kKernel.name, call.x, call.y);
  parallel_ranges(call.x.rows, call.x.columns * 2, [&](std::int64_t begin, std::int64_t end) {
    if (call.dropout.active()) {
      HWY_DYNAMIC_DISPATCH(dropout_rows)(call.x, call.names, call.dropout, call.y, begin, end);
      return;
    }
    for (std::int64_t row = begin; row < end; ++row) {
      copy_range(call.x.at(row, 0), call.x.type, call.y.at(row, 0), call.y.type, call.x.columns, /*accumulate=*/false);
    }
  });
}

void CpuKernels::run(const calls::Copy& call) {
  if (!is_narrow(call.x.type)) (void)common_type(call.kKernel.name, call.x);
  (void)common_type(call.kKernel.name, call.y);
  if (is_quantized(call.x.type)) return copy_decoded(call);
  if (call.x.stride == call.x.columns && call.y.stride == call.y.columns) {
    // Without gaps it is one long row, cut wherever it suits the threads.
    parallel_ranges(call.x.rows * call.x.columns, 1, [&](std::int64_t begin, std::int64_t end) {
      copy_range(call.x.at(0, begin), call.x.type, call.y.at(0, begin), call.y.type, end - begin, call.accumulate);
    });
    return;
  }
  parallel_ranges(call.x.rows, call.x.columns, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      copy_range(call.x.at(row, 0), call.x.type, call.y.at(row, 0), call.y.type, call.x.columns, call.accumulate);
    }
  });
}

void CpuKernels::run(const calls::Clear& call) {
  auto* first = static_cast<std::byte*>(call.data);
  if (call.rows != 1) {
    parallel_ranges(call.rows, call.bytes / 4, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        std::memset(first + row * call.stride, 0, static_cast<std::size_t>(call.bytes));
      }
    });
    return;
  }
  parallel_ranges(call.bytes / 4, 1, [&](std::int64_t begin, std::int64_t end) {
    std::memset(first + 4 * begin, 0, static_cast<std::size_t>(4 * (end - begin)));
  });
  std::memset(first + call.bytes / 4 * 4, 0, static_cast<std::size_t>(call.bytes % 4));
}

}  // namespace temper
#endif  // HWY_ONCE

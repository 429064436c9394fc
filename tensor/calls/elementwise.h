// Sums, products and multiples of matrices of activations, element by element.
#pragma once

#include "tensor/calls/kernel_work.h"
#include "tensor/random.h"
#include "tensor/rows.h"

namespace temper::calls {

/// y = dropout(a) + b; y may be a or b.
struct AddRows {
  static constexpr KernelId kKernel{"add_rows", KernelClass::pass};
  ConstRows a;
  ConstRows b;
  TokenKeys names = {};  ///< of the rows; only where dropout is active
  Dropout dropout = {};
  Rows y;
  [[nodiscard]] KernelWork work() const;
};

/// y (+)= a * b; y may be a or b.
struct MultiplyRows {
  static constexpr KernelId kKernel{"multiply_rows", KernelClass::pass};
  ConstRows a;
  ConstRows b;
  Rows y;
  bool accumulate = false;
  [[nodiscard]] KernelWork work() const;
};

/// y (+)= factor * x; y may be x.
struct ScaleRows {
  static constexpr KernelId kKernel{"scale_rows", KernelClass::pass};
  ConstRows x;
  float factor;
  Rows y;
  bool accumulate = false;
  [[nodiscard]] KernelWork work() const;
};

}  // namespace temper::calls

/// EACH(Name) for each call of this file (tensor/kernels.h).
#define TEMPER_ELEMENTWISE_CALLS(EACH) EACH(AddRows) EACH(MultiplyRows) EACH(ScaleRows)

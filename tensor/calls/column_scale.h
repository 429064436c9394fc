// A factor for each column of a matrix, which is learnt (layer scale; Touvron et al.: "Going deeper with image
// transformers", 2021).
#pragma once

#include "tensor/calls/kernel_work.h"
#include "tensor/rows.h"

namespace temper::calls {

/// y (+)= x times factors [columns]; y may be x.
struct ScaleColumns {
  static constexpr KernelId kKernel{"scale_columns", KernelClass::pass};
  ConstRows x;
  const float* factors;
  Rows y;
  bool accumulate = false;
  [[nodiscard]] KernelWork work() const;
};

/// sums [columns] (+)= the sum of a times b over the rows: the factors' gradient, of x and that of y.
struct SumColumnProducts {
  static constexpr KernelId kKernel{"sum_column_products", KernelClass::pass};
  ConstRows a;
  ConstRows b;
  float* sums;
  bool accumulate = false;
  [[nodiscard]] KernelWork work() const;
};

}  // namespace temper::calls

/// EACH(Name) for each call of this file (tensor/kernels.h).
#define TEMPER_COLUMN_SCALE_CALLS(EACH) EACH(ScaleColumns) EACH(SumColumnProducts)

// For the closures of ops: how they write gradients.
#pragma once

#include "tensor/tape.h"

namespace temper {

/// Where the gradient of a parameter goes, or nowhere if it is not needed.
inline GradientTarget wanted_gradient(Tape& tape, const Variable& variable) {
  return variable.requires_gradient() ? tape.gradient_of(variable) : GradientTarget{};
}

/// Lets a kernel that can only overwrite write a gradient that may have been written before.
template <typename Write>
void write_gradient(Tape& tape, const Variable& variable, const Write& write) {
  const GradientTarget target = tape.gradient_of(variable);
  if (!target.accumulate) {
    write(target.tensor.as_rows());
    return;
  }
  const Tensor fresh = tape.empty(variable.shape(), target.tensor.type());
  write(fresh.as_rows());
  tape.kernels().run(calls::Copy{.x = fresh.as_rows(), .y = target.tensor.as_rows(), .accumulate = true});
}

/// Where several gradients are written together and can only be overwritten: memory for one of them, and then that of
/// the variable if it was not there.
class OverwrittenGradient {
 public:
  /// Nobody may want it: then it is memory that is dropped.
  OverwrittenGradient(Tape& tape, const Variable& variable) : tape_(tape), target_(wanted_gradient(tape, variable)) {
    written_ = target_.tensor.defined() && !target_.accumulate ? target_.tensor
                                                               : tape.empty(variable.shape(), variable.type());
  }
  [[nodiscard]] Rows rows() const { return written_.as_rows(); }
  /// Once it is written.
  void finish() const {
    if (target_.accumulate)
      tape_.kernels().run(calls::Copy{.x = written_.as_rows(), .y = target_.tensor.as_rows(), .accumulate = true});
  }

 private:
  Tape& tape_;
  GradientTarget target_;
  Tensor written_;
};

}  // namespace temper

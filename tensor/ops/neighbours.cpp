#include "tensor/ops/neighbours.h"

namespace temper {

Variable neighbours(Tape& tape, const Variable& x, const PackedSequences& sequences, std::int64_t span) {
  const Tensor y = tape.empty({x.value().rows(), x.value().columns() * span}, x.value().type());
  tape.kernels().run(
      calls::GatherNeighbours{.x = x.value().as_rows(), .sequences = sequences, .span = span, .y = y.as_rows()});
  Variable out(y, tape.records({&x}));
  if (!out.requires_gradient()) return out;
  tape.record({&x}, [&tape, x = x.without_value(), sequences, span, out = out.without_value()] {
    const GradientTarget dx = tape.gradient_of(x);
    const Tensor written = dx.accumulate ? tape.empty(x.shape(), x.type()) : dx.tensor;
    tape.kernels().run(calls::AddNeighbours{
        .dy = out.gradient().as_rows(), .sequences = sequences, .span = span, .dx = written.as_rows()});
    if (dx.accumulate)
      tape.kernels().run(calls::Copy{.x = written.as_rows(), .y = dx.tensor.as_rows(), .accumulate = true});
  });
  return out;
}

}  // namespace temper

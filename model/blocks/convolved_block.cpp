#include "model/blocks/convolved_block.h"

#include <utility>

#include "tensor/ops.h"
#include "tensor/ops/neighbours.h"

namespace temper {
namespace {

/// What linear() does behind its product, where dropout comes in between.
Variable activated(Tape& tape, const Variable& x, Activation activation) {
  const Tensor z = tape.empty(x.shape(), x.value().type());
  const Tensor y = tape.empty(x.shape(), x.value().type());
  tape.kernels().run(calls::Copy{.x = x.value().as_rows(), .y = z.as_rows()});
  tape.kernels().run(calls::BiasActivationForward{.z = z.as_rows(), .activation = activation, .y = y.as_rows()});
  Variable out(y, tape.records({&x}));
  if (!out.requires_gradient()) return out;
  tape.record({&x}, [&tape, x, z, activation, out] {
    const GradientTarget dx = tape.gradient_of(x);
    const Tensor written = dx.accumulate ? tape.empty(x.shape(), x.value().type()) : dx.tensor;
    tape.kernels().run(calls::BiasActivationBackward{.dy = out.gradient().as_rows(),
                                                     .z = z.as_rows(),
                                                     .y = out.value().as_rows(),
                                                     .activation = activation,
                                                     .dz = written.as_rows()});
    if (dx.accumulate)
      tape.kernels().run(calls::Copy{.x = written.as_rows(), .y = dx.tensor.as_rows(), .accumulate = true});
  });
  return out;
}

}  // namespace

ConvolvedBlock::ConvolvedBlock(const ParameterPlace& place, std::shared_ptr<const Block> inner,
                               const ConvolutionNames& names, const ConvolutionShape& shape)
    : shape_(shape),
      inner_(std::move(inner)),
      weight_(place.within(names.convolution).add("weight", {shape.width, shape.width, shape.span}, place.weights)),
      bias_(place.within(names.convolution).add("bias", {shape.width}, Initialization::zeros())),
      norm_(place, names.norm, shape.width, shape.epsilon) {}

Variable ConvolvedBlock::forward(Tape& tape, const PackedInput& input, const Variable& hidden,
                                 const TokenSelection& selection, std::uint32_t dropout_place) const {
  const Variable inner = inner_->forward(tape, input, hidden, selection, dropout_place);
  Variable around = neighbours(tape, hidden, input.packed(), shape_.span);
  if (selection.defined()) around = gather_rows(tape, around, selection.rows);
  const RowNames names = input.names_of(selection);
  const Dropout drop = tape.dropout(shape_.dropout, dropout_place + inner_->dropout_places());
  const Variable convolved =
      drop.active()
          ? activated(tape, dropout(tape, linear(tape, around, weight_, bias_), names, drop), shape_.activation)
          : linear(tape, around, weight_, bias_, shape_.activation);
  return norm_(tape, convolved, inner, names, {});
}

}  // namespace temper

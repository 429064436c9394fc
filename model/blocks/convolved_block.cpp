#include "model/blocks/convolved_block.h"

#include <utility>

#include "tensor/ops.h"
#include "tensor/ops/activation.h"
#include "tensor/ops/neighbours.h"

namespace temper {

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
  const TokenKeys names = input.names_of(selection);
  const Dropout drop = tape.dropout(shape_.dropout, dropout_place + inner_->dropout_places());
  const Variable convolved =
      drop.active()
          ? activated(tape, dropout(tape, linear(tape, around, weight_, bias_), names, drop), shape_.activation)
          : linear(tape, around, weight_, bias_, shape_.activation);
  return norm_(tape, convolved, inner, names, {});
}

}  // namespace temper

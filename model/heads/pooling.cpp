#include "model/heads/pooling.h"

#include "tensor/ops.h"

namespace temper {
namespace {

/// Of the heads that the width is cut into: every device has attention for it.
constexpr std::int64_t kWidestHead = 64;

std::int64_t heads_for(std::int64_t width) {
  std::int64_t heads = (width + kWidestHead - 1) / kWidestHead;
  while (width % heads != 0) ++heads;
  return heads;
}

}  // namespace

Variable mean_of_sequences(Tape& tape, const Variable& hidden, const PackedInput& batch,
                           const TokenSelection& one_of_each) {
  // A query of zeros gives all keys the same score: attention is then the mean of the values, in a fixed order.
  const Tensor zeros = tape.empty({batch.sequences(), hidden.value().columns()}, hidden.value().type());
  tape.kernels().run(calls::Clear{.data = zeros.bytes(), .bytes = zeros.size_bytes()});
  const std::int64_t width = hidden.value().columns();
  const std::int64_t heads = heads_for(width);
  return attention(tape, Variable(zeros), hidden, hidden, batch.packed(one_of_each),
                   AttentionShape::plain(heads, width / heads));
}

Variable row_of_each_sequence(Tape& tape, const HeadInput& input, const Readout& readout) {
  if (readout.tokens != ReadTokens::mean) return input.hidden;
  return mean_of_sequences(tape, input.hidden, input.batch, input.selection);
}

}  // namespace temper

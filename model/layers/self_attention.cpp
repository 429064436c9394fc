#include "model/layers/self_attention.h"

#include "model/layers/absorbed_attention.h"

namespace temper {

SelfAttention::SelfAttention(const ParameterPlace& place, const SelfAttentionNames& names,
                             const SelfAttentionShape& shape)
    : shape_(shape),
      query_(place, names.query, shape.width, shape.width),
      key_(place, names.key, shape.width, shape.width),
      value_(place, names.value, shape.width, shape.width),
      output_(place, names.output, shape.width, shape.width) {}

Variable SelfAttention::forward(Tape& tape, const PackedInput& input, const Variable& hidden, const Variable& asking,
                                const TokenSelection& selection, std::uint32_t dropout_place) const {
  const Variable q = query_(tape, asking);
  const PackedSequences sequences = input.packed(selection);
  const Dropout dropout = tape.dropout(shape_.dropout, dropout_place);
  // The task decides, not the batch: what a model makes of a text does not depend on its neighbours.
  const bool absorbs = selection.one_of_each && absorbs_projections(tape) && key_.is_plain() && value_.is_plain();
  if (absorbs)
    return output_(tape, attention_over_inputs(tape, q, hidden, {key_.weight(), key_.bias()},
                                               {value_.weight(), value_.bias()}, sequences, shape_.heads, dropout));
  const Variable k = key_(tape, hidden);
  const Variable v = value_(tape, hidden);
  return output_(tape, attention(tape, q, k, v, sequences,
                                 AttentionShape::plain(shape_.heads, shape_.width / shape_.heads), dropout));
}

}  // namespace temper

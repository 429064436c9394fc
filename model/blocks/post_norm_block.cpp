#include "model/blocks/post_norm_block.h"

#include <utility>

#include "tensor/ops.h"

namespace temper {

PostNormBlock::PostNormBlock(const ParameterPlace& place, std::unique_ptr<AttentionLayer> attention,
                             const PostNormNames& names, const PostNormShape& shape)
    : attention_dropout_(shape.attention_dropout),
      output_dropout_(shape.output_dropout),
      attention_(std::move(attention)),
      attention_norm_(place, names.attention_norm, shape.feed_forward.width, shape.epsilon),
      feed_forward_(place, names.feed_forward, shape.feed_forward),
      output_norm_(place, names.output_norm, shape.feed_forward.width, shape.epsilon) {}

Variable PostNormBlock::forward(Tape& tape, const PackedInput& input, const Variable& hidden,
                                const TokenSelection& selection, std::uint32_t dropout_place) const {
  const Variable query_rows = selection.defined() ? gather_rows(tape, hidden, selection.rows) : hidden;
  const TokenKeys names = input.names_of(selection);
  const Variable attended = attention_->forward(tape, input, hidden, query_rows, selection, dropout_place);
  const std::uint32_t next_place = dropout_place + attention_->dropout_places();
  const Variable middle =
      attention_norm_(tape, attended, query_rows, names, tape.dropout(attention_dropout_, next_place));
  const Variable changed = feed_forward_.forward(tape, middle, names, next_place + 1);
  return output_norm_(tape, changed, middle, names, tape.dropout(output_dropout_, next_place + 1));
}

}  // namespace temper

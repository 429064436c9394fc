#include "model/blocks/parallel_block.h"

#include "tensor/ops.h"

namespace temper {

Variable ParallelBlock::forward(Tape& tape, const PackedInput& input, const Variable& hidden,
                                const TokenSelection& selection, std::uint32_t dropout_place) const {
  const auto selected = [&](const Variable& all) {
    return selection.defined() ? gather_rows(tape, all, selection.rows) : all;
  };
  const TokenKeys names = input.names_of(selection);
  const Variable normed = (*parts_.attention_norm)(tape, hidden);
  const Variable asking = selected(normed);
  const Variable attended = parts_.attention->forward(tape, input, normed, asking, selection, dropout_place);
  const std::uint32_t next_place = dropout_place + parts_.attention->dropout_places();
  const Variable stream = selected(hidden);
  const Variable seen = parts_.feed_forward_norm.has_value() ? (*parts_.feed_forward_norm)(tape, stream) : asking;
  const Variable changed = parts_.feed_forward->forward(tape, seen, names, next_place + 1);
  const Variable middle = add(tape, attended, stream, names, tape.dropout(dropout_, next_place));
  const Dropout dropout = tape.dropout(dropout_, next_place + 2);
  if (parts_.final_norm.has_value()) return (*parts_.final_norm)(tape, changed, middle, names, dropout);
  return add(tape, changed, middle, names, dropout);
}

}  // namespace temper

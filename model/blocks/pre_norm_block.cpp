#include "model/blocks/pre_norm_block.h"

#include <utility>

#include "tensor/ops.h"

namespace temper {

PreNormBlock::PreNormBlock(PreNormParts parts, const PreNormRates& rates) : parts_(std::move(parts)), rates_(rates) {}

Variable PreNormBlock::forward(Tape& tape, const PackedInput& input, const Variable& hidden,
                               const TokenSelection& selection, std::uint32_t dropout_place) const {
  const auto selected = [&](const Variable& all) {
    return selection.defined() ? gather_rows(tape, all, selection.rows) : all;
  };
  const TokenKeys names = input.names_of(selection);
  const Variable normed = parts_.attention_norm.has_value() ? (*parts_.attention_norm)(tape, hidden) : hidden;
  const Variable attended = parts_.attention->forward(tape, input, normed, selected(normed), selection, dropout_place);
  const std::uint32_t next_place = dropout_place + parts_.attention->dropout_places();
  const NormedSum middle = parts_.feed_forward_norm->add(tape, attended, selected(hidden), names,
                                                         tape.dropout(rates_.attention_dropout, next_place));
  const Variable changed = parts_.feed_forward->forward(tape, middle.normed, names, next_place + 1);
  const Dropout dropout = tape.dropout(rates_.feed_forward_dropout, next_place + 2);
  if (parts_.final_norm.has_value()) return (*parts_.final_norm)(tape, changed, middle.sum, names, dropout);
  return add(tape, changed, middle.sum, names, dropout);
}

}  // namespace temper

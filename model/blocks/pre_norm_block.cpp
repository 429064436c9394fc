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
  const auto normed = [&](const std::optional<LayerNorm>& norm, const Variable& x) {
    return norm.has_value() ? (*norm)(tape, x) : x;
  };
  const Variable seen = normed(parts_.attention_norm, hidden);
  const std::uint32_t next_place = dropout_place + parts_.attention->dropout_places();
  const auto scaled = [&](const std::optional<LayerScale>& scale, const Variable& x, std::uint32_t path) {
    const Variable given = scale.has_value() ? (*scale)(tape, x) : x;
    return drop_images(tape, given, input.examples, tape.dropout(rates_.drop_path, next_place + path));
  };
  const Variable attended =
      scaled(parts_.attention_scale,
             normed(parts_.attention_output_norm,
                    parts_.attention->forward(tape, input, seen, selected(seen), selection, dropout_place)),
             3);
  const Dropout attention_dropout = tape.dropout(rates_.attention_dropout, next_place);
  NormedSum middle;
  if (parts_.feed_forward_norm.has_value()) {
    middle = parts_.feed_forward_norm->add(tape, attended, selected(hidden), names, attention_dropout);
  } else {
    middle.sum = add(tape, attended, selected(hidden), names, attention_dropout);
    middle.normed = middle.sum;
  }
  const Variable changed = scaled(
      parts_.feed_forward_scale,
      normed(parts_.feed_forward_output_norm, parts_.feed_forward->forward(tape, middle.normed, names, next_place + 1)),
      4);
  const Dropout dropout = tape.dropout(rates_.feed_forward_dropout, next_place + 2);
  if (parts_.final_norm.has_value()) return (*parts_.final_norm)(tape, changed, middle.sum, names, dropout);
  return add(tape, changed, middle.sum, names, dropout);
}

}  // namespace temper

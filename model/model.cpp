#include "model/model.h"

#include <algorithm>
#include <utility>

#include "tensor/stages.h"

namespace temper {

Model::Model(ModelParts parts, const HeadRequest& request, std::string class_name)
    : parts_(std::move(parts)), request_(request), class_name_(std::move(class_name)) {
  std::uint32_t next = parts_.input->dropout_places();
  for (const auto& block : parts_.blocks) {
    dropout_places_.push_back(next);
    next += block->dropout_places();
  }
  dropout_places_.push_back(next);
}

std::int64_t Model::frozen_stages() const {
  // What several stages read counts for the lowest; training it trains that stage.
  std::int64_t frozen = stages();
  for (const Parameter& parameter : parts_.parameters.all())
    if (parameter.trainable()) frozen = std::min(frozen, parameter.stage);
  return frozen;
}

Variable Model::token_table() const { return has_tied_head() ? Variable() : parts_.input->token_table(); }

bool Model::has_tied_head() const {
  const Variable table = parts_.input->token_table();
  return table.defined() && parts_.head->reads_all_of(table);
}

Variable Model::through_blocks(Tape& tape, const PackedInput& input, const TokenSelection& selection,
                               std::int64_t first, std::int64_t last, Variable hidden) const {
  // Backward begins with the last block: what is thrown away of it would be computed again at once, and is kept unless
  // the head needs the memory meanwhile.
  const std::int64_t interval = blocks_between_checkpoints_;
  const CheckpointPolicy policy{interval, parts_.head->is_large() ? 0 : interval};
  const auto run_block = [this, input, of_topmost = selection_of_topmost_block(selection)](Tape& on, std::int64_t stage,
                                                                                           const Variable& in) {
    const auto at = static_cast<std::size_t>(stage - 1);
    const bool topmost = at + 1 == parts_.blocks.size();
    enter(on, stage, input, of_topmost);
    return parts_.blocks[at]->forward(on, input, in, topmost ? of_topmost : TokenSelection(), dropout_places_[at]);
  };
  return run_stages(tape, first + 1, last + 1, policy, std::move(hidden), run_block);
}

void Model::enter(Tape& on, std::int64_t stage, const PackedInput& input, const TokenSelection& selection) const {
  const RowNames read = selection.defined() ? RowNames{selection.rows.size(), selection.names()} : RowNames();
  on.enter_stage(stage, {input.tokens(), input.token_names()}, read,
                 input.pixels.height > 0 ? input.examples : Tensor());
}

void Model::for_each_value(const std::function<bool(const Parameter&)>& use) const {
  std::int64_t open = -1;
  const auto close = [&] {
    if (open >= 0 && observer_ != nullptr) observer_->after(open, StagePass::reading, Variable());
  };
  for (const Parameter& parameter : parts_.parameters.all()) {
    if (parameter.stage != open) {
      close();
      open = parameter.stage;
      if (observer_ != nullptr) observer_->before(open, StagePass::reading);
    }
    if (!use(parameter)) break;
  }
  close();
}

Variable Model::hidden_state(Tape& tape, const PackedInput& input, const TokenSelection& selection, std::int64_t stages,
                             const FrozenPart& frozen) const {
  watch(tape);
  if (!frozen.output.defined()) return run_lowest(tape, input, selection, stages);
  return through_blocks(tape, input, selection, frozen.stages - 1, stages - 1, frozen.output);
}

Variable Model::last_hidden_state(Tape& tape, const PackedInput& input, const FrozenPart& frozen) const {
  const Variable hidden = hidden_state(tape, input, TokenSelection(), stages(), frozen);
  return tape.stage(stages(), [&](Tape& on) {
    enter(on, stages(), input, TokenSelection());
    return parts_.head->normed(on, hidden);
  });
}

Variable Model::run_lowest(Tape& tape, const PackedInput& input, const TokenSelection& selection,
                           std::int64_t stages) const {
  const auto embed = [this, input](Tape& on, std::int64_t stage, const Variable& /*in*/) {
    enter(on, stage, input, TokenSelection());
    return parts_.input->forward(on, input);
  };
  const Variable embedded = run_stages(tape, 0, 1, {blocks_between_checkpoints_}, Variable(), embed);
  const TokenSelection read = selection_of_topmost_block(selection);
  if (parts_.blocks.empty() && read.defined()) return gather_rows(tape, embedded, read.rows);
  return through_blocks(tape, input, selection, 0, stages - 1, embedded);
}

Variable Model::last_hidden(Tape& tape, const PackedInput& input, const TokenSelection& selection,
                            const FrozenPart& frozen) const {
  watch(tape);
  const auto above = [&](std::int64_t stages, const Variable& hidden) {
    return through_blocks(tape, input, selection, stages - 1, this->stages() - 1, hidden);
  };
  if (frozen.stages == 0) return above(1, run_lowest(tape, input, selection, 1));
  if (frozen.output.defined()) return above(frozen.stages, frozen.output);
  Tape below = tape.in_evaluation();
  return above(frozen.stages, run_lowest(below, input, selection, frozen.stages));
}

Variable Model::forward(Tape& tape, const PackedInput& input, const TokenSelection& selection,
                        const FrozenPart& frozen) const {
  const Variable hidden = last_hidden(tape, input, selection, frozen);
  return tape.stage(stages(), [&](Tape& on) {
    enter(on, stages(), input, selection);
    return parts_.head->outputs(on, {hidden, input, selection, dropout_places_.back()});
  });
}

void Model::loss(Tape& tape, const PackedInput& input, const TokenSelection& selection, const Targets& targets,
                 const Tensor& sum, const FrozenPart& frozen) const {
  const Variable hidden = last_hidden(tape, input, selection, frozen);
  (void)tape.stage(stages(), [&](Tape& on) {
    enter(on, stages(), input, selection);
    parts_.head->loss(on, {hidden, input, selection, dropout_places_.back()}, targets, sum);
    return Variable();
  });
}

void Model::row_losses(Tape& tape, const PackedInput& input, const TokenSelection& selection, const Targets& targets,
                       const Tensor& sum, const RowLosses& of_rows, const FrozenPart& frozen) const {
  const Variable hidden = last_hidden(tape, input, selection, frozen);
  (void)tape.stage(stages(), [&](Tape& on) {
    enter(on, stages(), input, selection);
    parts_.head->row_losses(on, {hidden, input, selection, dropout_places_.back()}, targets, sum, of_rows);
    return Variable();
  });
}

}  // namespace temper

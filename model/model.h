// A model: an input layer, a stack of blocks, and a head. Frozen parts and activation checkpointing are done here, once
// for all architectures (model/architectures), which only put the parts together.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/image_extent.h"
#include "model/block.h"
#include "model/head.h"
#include "model/input_layer.h"
#include "model/packed_input.h"
#include "model/parameter.h"
#include "model/weight_names.h"

namespace temper {

/// What a stage gives of one image.
struct HiddenShape {
  std::int64_t rows = 0;
  std::int64_t width = 0;
};

struct ModelParts {
  ParameterList parameters = {};
  std::int64_t width = 0;  ///< of the last hidden state, and of that between stages unless `shape_above` says otherwise
  /// Of a model of images whose hidden state has other shapes between its stages: what stage `stage` gives of an image
  /// of this size. Empty: every stage gives [tokens, width].
  std::function<HiddenShape(std::int64_t stage, std::int64_t image_height, std::int64_t image_width)> shape_above = {};
  std::unique_ptr<InputLayer> input = nullptr;
  std::vector<std::shared_ptr<const Block>> blocks = {};  ///< from the bottom up; one may stand in it several times
  std::unique_ptr<Head> head = nullptr;
  WeightNames names = {};
  /// What hidden states without dropout depend on beside parameters and input, so that models with the same text and
  /// the same parameters compute the same.
  std::string definition = {};
};

/// The lowest stages of a model, where nothing is trained.
struct FrozenPart {
  std::int64_t stages = 0;
  Variable output = {};  ///< what Model::hidden_state would give, where it is known
};

class Model final {
 public:
  /// `class_name`: what transformers calls this architecture with this head, for config.json.
  Model(ModelParts parts, const HeadRequest& request, std::string class_name);
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  /// The head's outputs, [n, labels] or [n, vocabulary], of the tokens that `selection` names, chosen by the model's
  /// readout. What they do not depend on is not computed. A tape runs one pass of those below. What is frozen runs
  /// without being recorded and without dropout, unless its output is known; then indices of the input are not read.
  Variable forward(Tape& tape, const PackedInput& input, const TokenSelection& selection,
                   const FrozenPart& frozen = {}) const;
  /// The same pass, ended by the head's loss: that is added to `sum` f64 [2] (model/loss.h), and its gradient is left
  /// for Tape::backward.
  void loss(Tape& tape, const PackedInput& input, const TokenSelection& selection, const Targets& targets,
            const Tensor& sum, const FrozenPart& frozen = {}) const;
  /// Of a pass that is not recorded: the loss, and that of each row, without outputs of all rows
  /// (Head::row_losses).
  void row_losses(Tape& tape, const PackedInput& input, const TokenSelection& selection, const Targets& targets,
                  const Tensor& sum, const RowLosses& of_rows, const FrozenPart& frozen = {}) const;
  /// The loss of outputs that forward gave.
  void loss_of(Tape& tape, const Variable& outputs, const Targets& targets, const Tensor& sum) const {
    parts_.head->loss_of(tape, outputs, targets, sum);
  }
  /// The hidden state above the lowest `stages`, at least one: [tokens, width]; above all of them [n, width], of the
  /// tokens alone that the head reads.
  Variable hidden_state(Tape& tape, const PackedInput& input, const TokenSelection& selection, std::int64_t stages,
                        const FrozenPart& frozen = {}) const;
  /// What transformers calls the last hidden state: of every token, behind the norm that ends the network.
  /// [tokens, width].
  Variable last_hidden_state(Tape& tape, const PackedInput& input, const FrozenPart& frozen = {}) const;

  /// The input layer and each block; the head stands on the last.
  [[nodiscard]] std::int64_t stages() const { return 1 + static_cast<std::int64_t>(parts_.blocks.size()); }
  /// How many stages from the bottom up, without a gap, have nothing to train.
  [[nodiscard]] std::int64_t frozen_stages() const;
  /// Of the last hidden state.
  [[nodiscard]] std::int64_t width() const { return parts_.width; }
  /// What the lowest `stages`, at least one, give of a sequence of so many tokens; of an image of this size where the
  /// model reads images. Above all stages every token counts, whatever the head reads.
  [[nodiscard]] HiddenShape hidden_shape(std::int64_t stages, std::int64_t tokens, ImageExtent image) const {
    return parts_.shape_above ? parts_.shape_above(stages - 1, image.height, image.width)
                              : HiddenShape{tokens, parts_.width};
  }

  /// From now on `observer` is told of the stages of every pass, whoever runs it, and of those that are read; null:
  /// nobody is. It must live until then.
  void observe_stages(StageObserver* observer) { observer_ = observer; }
  [[nodiscard]] const StageObserver* stage_observer() const { return observer_; }
  /// Calls use(parameter) for each parameter in order, until it returns false, the observer being told which stage is
  /// read: for whoever wants values beside a pass. All ranks that have an observer call it together.
  void for_each_value(const std::function<bool(const Parameter&)>& use) const;

  /// From now on, training keeps activations only at every `blocks`-th boundary and recomputes the others in the
  /// backward pass (Tape::recompute); 0: all are kept. The results are the same.
  void checkpoint_activations(std::int64_t blocks) { blocks_between_checkpoints_ = blocks; }
  /// Which tokens the head reads.
  [[nodiscard]] const Readout& readout() const { return parts_.head->readout(); }
  /// The parameter of which forward reads only the rows that are ids of tokens, [vocabulary, width]; undefined where
  /// there is none, or where the head reads all of it.
  [[nodiscard]] Variable token_table() const;

  /// InputLayer::resized_table.
  [[nodiscard]] std::optional<ResizedTable> resized_table(Device& device, ImageExtent extent) const {
    return parts_.input->resized_table(device, extent);
  }

  /// The head multiplies with the table of words.
  [[nodiscard]] bool has_tied_head() const;

  [[nodiscard]] ParameterList& parameters() { return parts_.parameters; }
  [[nodiscard]] const ParameterList& parameters() const { return parts_.parameters; }
  [[nodiscard]] const WeightNames& names() const { return parts_.names; }
  [[nodiscard]] const HeadRequest& head_request() const { return request_; }
  [[nodiscard]] const std::string& class_name() const { return class_name_; }
  [[nodiscard]] const std::string& definition() const { return parts_.definition; }
  /// Of what was added to a model after it was made: hidden states depend on it too.
  void extend_definition(const std::string& text) { parts_.definition += text; }

 private:
  void watch(Tape& tape) const {
    if (observer_ != nullptr) tape.observe_stages(*observer_);
  }
  /// Tells the tape what its rows are in a stage.
  void enter(Tape& on, std::int64_t stage, const PackedInput& input, const TokenSelection& selection) const;
  /// hidden_state on a tape that has its observer.
  [[nodiscard]] Variable run_lowest(Tape& tape, const PackedInput& input, const TokenSelection& selection,
                                    std::int64_t stages) const;
  /// Through blocks [first, last). The topmost gives the tokens alone that the head reads.
  [[nodiscard]] Variable through_blocks(Tape& tape, const PackedInput& input, const TokenSelection& selection,
                                        std::int64_t first, std::int64_t last, Variable hidden) const;
  /// What the head reads. Every pass to the head begins here, and with it the observation of its stages.
  [[nodiscard]] Variable last_hidden(Tape& tape, const PackedInput& input, const TokenSelection& selection,
                                     const FrozenPart& frozen) const;
  [[nodiscard]] TokenSelection selection_of_topmost_block(const TokenSelection& selection) const {
    return readout().needs_every_token() ? TokenSelection() : selection;
  }

  ModelParts parts_;
  HeadRequest request_;
  std::string class_name_;
  std::vector<std::uint32_t> dropout_places_;  ///< the first of each block, and then of the head
  std::int64_t blocks_between_checkpoints_ = 0;
  StageObserver* observer_ = nullptr;
};

}  // namespace temper

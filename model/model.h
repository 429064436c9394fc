// What the training engine knows of a model: its parameters, and how a packed batch becomes logits.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/packed_input.h"
#include "model/parameter.h"

namespace temper {

enum class Task : std::uint8_t { sequence_classification, regression, multi_label, token_classification, masked_lm };

/// "sequence-classification" and so on; throws a usage Error that lists the tasks.
Task parse_task(const std::string& name);
std::string name_of(Task task);
/// True where the loss is taken on tokens rather than on whole sequences.
bool is_token_task(Task task);

class Model {
 public:
  Model() = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  virtual ~Model() = default;

  /// Logits of the selected tokens: [n, labels], or [n, vocabulary]. Tasks on sequences select the first token of each.
  /// What the logits do not depend on is not computed, unless hidden states are asked for.
  /// `hidden_states`, if given, receives the embeddings' output and that of every layer, [tokens, width] each (as
  /// transformers' output_hidden_states does).
  virtual Variable forward(Tape& tape, const PackedInput& input, const TokenSelection& selection,
                           std::vector<Variable>* hidden_states = nullptr) = 0;

  // ---- in two parts: what is frozen at the bottom, and the rest ----------------------------------------------------
  /// A model is a pile of stages: the embeddings, then each layer; the head stands on the last.
  [[nodiscard]] virtual std::int64_t stages() const = 0;
  /// Width of the hidden state between stages.
  [[nodiscard]] virtual std::int64_t width() const = 0;
  /// How many stages from the bottom up, without a gap, have nothing to train.
  [[nodiscard]] std::int64_t frozen_stages() const;
  /// The hidden state above the lowest `stages`, at least one: [tokens, width]; above all of them [n, width], of the
  /// selected tokens alone.
  virtual Variable forward_below(Tape& tape, const PackedInput& input, std::int64_t stages,
                                 const TokenSelection& selection) = 0;
  /// Logits from what forward_below gave. Indices of the input are not read.
  virtual Variable forward_above(Tape& tape, const PackedInput& input, std::int64_t stages, const Variable& hidden,
                                 const TokenSelection& selection) = 0;

  /// Logits where the lowest `stages` are frozen: they run without being recorded and without dropout, unless their
  /// output, `hidden`, is known.
  Variable forward_above_frozen(Tape& tape, const PackedInput& input, std::int64_t stages, const Variable& hidden,
                                const TokenSelection& selection);

  /// The class name that transformers gives this architecture with this head, for config.json.
  [[nodiscard]] virtual std::string architecture() const = 0;
  /// What hidden states without dropout depend on beside parameters and input, so that models with the same text and
  /// the same parameters compute the same.
  [[nodiscard]] virtual std::string definition() const = 0;
  /// Names in the weights begin with this, unless they were saved from the bare encoder: "bert.".
  [[nodiscard]] virtual std::string prefix() const = 0;

  /// From now on, training keeps activations at every `layers`-th layer boundary only, and computes the others again in
  /// the backward pass (Tape::recompute); 0: all are kept. The results are the same.
  void checkpoint_activations(std::int64_t layers) { layers_between_checkpoints_ = layers; }
  /// The parameter of which forward reads only the rows that are ids of tokens, [vocabulary, width]; undefined where
  /// there is none, or where something else reads all of it (a tied language-model head).
  [[nodiscard]] virtual Variable token_table() const { return {}; }

  [[nodiscard]] ParameterList& parameters() { return parameters_; }
  [[nodiscard]] const ParameterList& parameters() const { return parameters_; }

 protected:
  [[nodiscard]] std::int64_t layers_between_checkpoints() const { return layers_between_checkpoints_; }

 private:
  std::int64_t layers_between_checkpoints_ = 0;
  ParameterList parameters_;
};

}  // namespace temper

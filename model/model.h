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

  /// The class name that transformers gives this architecture with this head, for config.json.
  [[nodiscard]] virtual std::string architecture() const = 0;
  /// Names in the weights begin with this, unless they were saved from the bare encoder: "bert.".
  [[nodiscard]] virtual std::string prefix() const = 0;

  /// The parameter of which forward reads only the rows that are ids of tokens, [vocabulary, width]; undefined where
  /// there is none, or where something else reads all of it (a tied language-model head).
  [[nodiscard]] virtual Variable token_table() const { return {}; }

  [[nodiscard]] ParameterList& parameters() { return parameters_; }
  [[nodiscard]] const ParameterList& parameters() const { return parameters_; }

 private:
  ParameterList parameters_;
};

}  // namespace temper

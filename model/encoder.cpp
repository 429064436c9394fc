#include "model/encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "model/activation_names.h"

namespace temper {

Encoder::Encoder(const ModelConfig& config, EncoderArchitecture architecture, const HeadRequest& request)
    : architecture_(std::move(architecture)),
      definition_(fmt::format("{} of {} layers, {} heads, {}, epsilon {}, positions from {}", config.model_type,
                              config.layers, config.heads, config.activation, config.layer_norm_epsilon,
                              architecture_.position_offset)),
      task_(request.task),
      width_(config.width),
      embedding_dropout_(config.hidden_dropout) {
  const Initialization weights = Initialization::normal(config.initializer_range);
  const ParameterPlace embeddings{parameters(), 0, false, weights};
  const auto named = [&](const std::string& part) { return architecture_.prefix + part; };
  words_ = add_embedding(embeddings, named(architecture_.word_embeddings), config.vocabulary_size, config.width);
  positions_ = add_embedding(embeddings, named(architecture_.position_embeddings), config.max_positions, config.width);
  if (!architecture_.type_embeddings.empty())
    types_ = add_embedding(embeddings, named(architecture_.type_embeddings), config.type_vocabulary_size, config.width);
  embedding_norm_ =
      add_layer_norm(embeddings, named(architecture_.embedding_norm), config.width, config.layer_norm_epsilon);

  const EncoderLayerShape shape{config.width,
                                config.intermediate_width,
                                config.heads,
                                parse_activation(config.activation),
                                config.layer_norm_epsilon,
                                config.attention_dropout,
                                architecture_.attention_output_dropout ? config.hidden_dropout : 0.0F,
                                config.hidden_dropout};
  for (std::int64_t i = 0; i < config.layers; ++i) {
    const ParameterPlace place{parameters(), i + 1, false, weights};
    const auto first_place = 1 + static_cast<std::uint32_t>(i) * EncoderLayer::kDropoutPlaces;
    layers_.emplace_back(place, named(architecture_.layers) + std::to_string(i) + ".", architecture_.layer, shape,
                         first_place);
  }
  head_ = make_head(config, request);
}

std::unique_ptr<Head> Encoder::make_head(const ModelConfig& config, const HeadRequest& request) {
  const ParameterPlace place{parameters(), config.layers + 1, true, Initialization::normal(config.initializer_range)};
  HeadShape shape{config.width, request.labels, config.classifier_dropout,
                  1 + static_cast<std::uint32_t>(config.layers) * EncoderLayer::kDropoutPlaces};
  switch (request.task) {
    case Task::token_classification:
      shape.dropout = architecture_.token_head_dropout;
      return make_token_head(place, "classifier", shape);
    case Task::masked_lm:
      shape.labels = config.vocabulary_size;
      return make_masked_head(place, architecture_.masked_head, shape, architecture_.masked_head_activation,
                              config.layer_norm_epsilon, words_);
    default:
      return make_sequence_head(place, architecture_.sequence_head, shape);
  }
}

Variable Encoder::embed(Tape& tape, const PackedInput& input) const {
  const Variable embedded =
      embedding_sum(tape, input.indices, words_, positions_, architecture_.position_offset, types_);
  const Variable normed =
      layer_norm(tape, embedded, Variable(), embedding_norm_.weight, embedding_norm_.bias, embedding_norm_.epsilon);
  return dropout(tape, normed, input.token_names(), tape.dropout(embedding_dropout_, 0));
}

Variable Encoder::through_layers(Tape& tape, const PackedInput& input, std::int64_t first, std::int64_t last,
                                 Variable hidden, const TokenSelection& selection,
                                 std::vector<Variable>* hidden_states) const {
  const auto layers = static_cast<std::int64_t>(layers_.size());
  const auto run_layer = [this, input, selection, layers](Tape& on, std::int64_t i, const Variable& in) {
    return layers_[static_cast<std::size_t>(i)].forward(on, input, in, i + 1 == layers ? selection : TokenSelection());
  };
  std::int64_t i = first;
  const std::int64_t interval = hidden_states == nullptr ? layers_between_checkpoints() : 0;
  // Backward begins with the last block: what is thrown away of it would be computed again at once, and is kept unless
  // the head needs the memory meanwhile.
  const std::int64_t kept = task_ == Task::masked_lm ? 0 : interval;
  while (interval > 0 && i + kept < last) {
    const std::int64_t end = std::min(i + interval, last);
    hidden = tape.recompute([run_layer, i, end, hidden](Tape& on) {
      Variable out = hidden;
      for (std::int64_t layer = i; layer < end; ++layer) out = run_layer(on, layer, out);
      return out;
    });
    i = end;
  }
  for (; i < last; ++i) {
    hidden = run_layer(tape, i, hidden);
    if (hidden_states != nullptr) hidden_states->push_back(hidden);
  }
  return hidden;
}

Variable Encoder::forward(Tape& tape, const PackedInput& input, const TokenSelection& selection,
                          std::vector<Variable>* hidden_states) {
  if (hidden_states == nullptr)
    return forward_above(tape, input, 1, forward_below(tape, input, 1, selection), selection);
  hidden_states->push_back(embed(tape, input));
  const Variable all = through_layers(tape, input, 0, stages() - 1, hidden_states->back(), {}, hidden_states);
  const Variable read = selection.defined() ? gather_rows(tape, all, selection.rows) : all;
  return head_->forward(tape, read, input.names_of(selection));
}

Variable Encoder::forward_below(Tape& tape, const PackedInput& input, std::int64_t stages,
                                const TokenSelection& selection) {
  const Variable embedded = layers_between_checkpoints() > 0
                                ? tape.recompute([this, input](Tape& on) { return embed(on, input); })
                                : embed(tape, input);
  if (layers_.empty() && selection.defined()) return gather_rows(tape, embedded, selection.rows);
  return through_layers(tape, input, 0, stages - 1, embedded, selection, nullptr);
}

Variable Encoder::forward_above(Tape& tape, const PackedInput& input, std::int64_t stages, const Variable& hidden,
                                const TokenSelection& selection) {
  const Variable last = through_layers(tape, input, stages - 1, this->stages() - 1, hidden, selection, nullptr);
  return head_->forward(tape, last, input.names_of(selection));
}

std::string Encoder::architecture() const {
  switch (task_) {
    case Task::token_classification:
      return architecture_.class_prefix + "ForTokenClassification";
    case Task::masked_lm:
      return architecture_.class_prefix + "ForMaskedLM";
    default:
      return architecture_.class_prefix + "ForSequenceClassification";
  }
}

}  // namespace temper

// The encoder family: token embeddings, a norm, a stack of post-norm layers, and a head for the task. An architecture
// (bert.cpp, roberta.cpp, distilbert.cpp) only names the parts and says where it differs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/architectures/model_config.h"
#include "model/blocks/post_norm_block.h"
#include "model/heads/heads.h"
#include "model/model.h"

namespace temper {

/// What a head is made for: the task, and how many labels (targets, for a regression) it has.
struct HeadRequest {
  Task task = Task::sequence_classification;
  std::int64_t labels = 0;
};

/// The parts of an architecture as its weights name them.
struct EncoderArchitecture {
  std::string class_prefix;     ///< "Bert", of BertForMaskedLM
  std::string prefix;           ///< "bert.", before the names of the encoder's parts
  std::string word_embeddings;  ///< relative to the prefix, like the next five
  std::string position_embeddings;
  std::string type_embeddings;  ///< empty: none
  std::string embedding_norm;
  std::string layers;  ///< "encoder.layer."
  EncoderLayerNames layer;
  std::int64_t position_offset = 0;      ///< position ids begin here (RoBERTa: padding index + 1)
  bool attention_output_dropout = true;  ///< before the residual sum behind the attention
  SequenceHeadNames sequence_head;       ///< whole names, like the next two
  double token_head_dropout = 0.0;
  MaskedHeadNames masked_head;
  Activation masked_head_activation = Activation::gelu;
};

class Encoder final : public Model {
 public:
  Encoder(const ModelConfig& config, EncoderArchitecture architecture, const HeadRequest& request);

  Variable forward(Tape& tape, const PackedInput& input, const TokenSelection& selection,
                   std::vector<Variable>* hidden_states) override;
  [[nodiscard]] std::int64_t stages() const override { return 1 + static_cast<std::int64_t>(layers_.size()); }
  [[nodiscard]] std::int64_t width() const override { return width_; }
  Variable forward_below(Tape& tape, const PackedInput& input, std::int64_t stages,
                         const TokenSelection& selection) override;
  Variable forward_above(Tape& tape, const PackedInput& input, std::int64_t stages, const Variable& hidden,
                         const TokenSelection& selection) override;
  [[nodiscard]] std::string architecture() const override;
  [[nodiscard]] std::string definition() const override { return definition_; }
  [[nodiscard]] std::string prefix() const override { return architecture_.prefix; }
  [[nodiscard]] Variable token_table() const override { return task_ == Task::masked_lm ? Variable() : words_; }

 private:
  std::unique_ptr<Head> make_head(const ModelConfig& config, const HeadRequest& request);
  /// The embeddings' output [tokens, width].
  [[nodiscard]] Variable embed(Tape& tape, const PackedInput& input) const;
  /// Through layers [first, last). The topmost layer gives the selected tokens alone.
  [[nodiscard]] Variable through_layers(Tape& tape, const PackedInput& input, std::int64_t first, std::int64_t last,
                                        Variable hidden, const TokenSelection& selection,
                                        std::vector<Variable>* hidden_states) const;

  EncoderArchitecture architecture_;
  std::string definition_;
  Task task_;
  std::int64_t width_;
  double embedding_dropout_;
  Variable words_;
  Variable positions_;
  Variable types_;
  LayerNorm embedding_norm_;
  std::vector<EncoderLayer> layers_;
  std::unique_ptr<Head> head_;
};

}  // namespace temper

// config.json of a Hugging Face folder, typed: one struct for all encoders, whatever each of them calls its keys.
// Keys and defaults are those of transformers' BertConfig, RobertaConfig and DistilBertConfig.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace temper {

struct ModelConfig {
  std::string model_type;                  ///< one of supported_model_types()
  std::vector<std::string> architectures;  ///< as in the file, e.g. "BertForMaskedLM"; may be empty

  std::int64_t vocabulary_size = 0;
  std::int64_t width = 0;  ///< a multiple of heads
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t intermediate_width = 0;
  std::int64_t max_positions = 0;         ///< rows of the position embedding
  std::int64_t type_vocabulary_size = 0;  ///< 0: the model has no token types (DistilBERT)
  std::int64_t position_offset = 0;       ///< row of a sequence's first token; RoBERTa: pad_token_id + 1
  float layer_norm_epsilon = 0.0F;
  std::string activation;  ///< one of supported_activations() (model/activation_names.h)
  float hidden_dropout = 0.0F;
  float attention_dropout = 0.0F;
  /// Of heads over whole sequences; where the file says nothing, BERT and RoBERTa take hidden_dropout. DistilBERT's
  /// head over tokens uses hidden_dropout instead.
  float classifier_dropout = 0.0F;
  std::int32_t pad_token_id = 0;   ///< -1: none
  float initializer_range = 0.0F;  ///< standard deviation of new weights

  bool tied_embeddings = true;      ///< a language-model head shares the word embeddings
  std::vector<std::string> labels;  ///< id2label in the order of the ids; empty where the file has none
  std::string problem_type;         ///< "regression", "single_label_classification", ...; may be empty
  std::string json;                 ///< the file's own text
  std::filesystem::path folder;

  /// Tokens of the longest sequence: rows of the position embedding that a token can use.
  [[nodiscard]] std::int64_t longest_sequence() const { return max_positions - position_offset; }
};

/// Reads and checks folder/config.json. Throws Error naming file, key, what was found, what is expected, what to do:
/// an unsupported model_type (the supported ones are listed), sizes that are not positive, heads that do not divide
/// the width, an unknown activation, dropout outside [0, 1], id2label with a gap, a decoder, relative positions.
ModelConfig read_model_config(const std::filesystem::path& folder);

/// Values of model_type that can be read: "bert", "distilbert", "roberta".
std::vector<std::string> supported_model_types();

}  // namespace temper

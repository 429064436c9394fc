// The input layer of BERT and its kin: the sum of a word's, a position's and a type's embedding, normed (Devlin et al.
// 2019).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "model/input_layer.h"
#include "model/layers/layer_norm.h"
#include "model/layers/linear.h"
#include "model/parameter.h"

namespace temper {

/// Adds `name`.weight [entries, width].
Variable add_embedding(const ParameterPlace& place, const std::string& name, std::int64_t entries, std::int64_t width);

struct TextEmbeddingNames {
  std::string words = "word_embeddings";
  std::string positions = "position_embeddings";
  std::string types = "token_type_embeddings";
  std::string norm = "LayerNorm";  ///< empty: there is none
  std::string projection = "embed_proj";
};

struct TextEmbeddingShape {
  std::int64_t vocabulary;
  std::int64_t positions;        ///< 0: the model has none that are added
  std::int64_t types;            ///< 0: the model has no token types
  std::int64_t position_offset;  ///< row of a sequence's first token
  std::int64_t width;
  float epsilon;
  double dropout;
  std::int64_t projected_width = 0;  ///< of what is normed, where a linear layer comes before; 0: there is none
  LayerNorm::Bias norm_bias = LayerNorm::Bias::zeros;
  float scale = 1.0F;  ///< of the sum
};

class TextEmbeddings final : public InputLayer {
 public:
  TextEmbeddings(const ParameterPlace& place, const TextEmbeddingNames& names, const TextEmbeddingShape& shape);

  Variable forward(Tape& tape, const PackedInput& input) const override;
  [[nodiscard]] std::uint32_t dropout_places() const override { return 1; }
  [[nodiscard]] Variable token_table() const override { return words_; }

 private:
  Variable words_;
  std::shared_ptr<AdaptableModule> words_module_;
  Variable positions_;
  Variable types_;
  std::optional<Linear> projection_;
  std::optional<LayerNorm> norm_;
  std::int64_t position_offset_;
  float scale_;
  double dropout_;
};

}  // namespace temper

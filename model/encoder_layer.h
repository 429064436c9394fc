// The post-norm transformer encoder layer that BERT, RoBERTa and DistilBERT share (Vaswani et al. 2017; Devlin et al.
// 2019). Only names and dropout places differ between them.
#pragma once

#include <cstdint>
#include <string>

#include "model/packed_input.h"
#include "model/parameter.h"

namespace temper {

struct Linear {
  Variable weight;
  Variable bias;
};

struct LayerNorm {
  Variable weight;
  Variable bias;
  float epsilon = 1e-12F;
};

/// Where new parameters go: their list, how far up they stand, and how their weights would be drawn.
struct ParameterPlace {
  ParameterList& list;
  std::int64_t depth;
  bool head;
  Initialization weights;
};

/// Adds `name`.weight [out, in] and `name`.bias [out].
Linear add_linear(const ParameterPlace& place, const std::string& name, std::int64_t out, std::int64_t in);
/// Adds `name`.weight and `name`.bias [width].
LayerNorm add_layer_norm(const ParameterPlace& place, const std::string& name, std::int64_t width, float epsilon);
/// Adds `name`.weight [entries, width].
Variable add_embedding(const ParameterPlace& place, const std::string& name, std::int64_t entries, std::int64_t width);

/// The part names of a layer, relative to its prefix.
struct EncoderLayerNames {
  std::string query;
  std::string key;
  std::string value;
  std::string attention_output;
  std::string attention_norm;
  std::string up;
  std::string down;
  std::string output_norm;
};

struct EncoderLayerShape {
  std::int64_t width;
  std::int64_t intermediate_width;
  std::int64_t heads;
  Activation activation;
  float epsilon;
  double attention_dropout;         ///< on the attention probabilities
  double attention_output_dropout;  ///< on the attention's output, before the residual sum
  double output_dropout;            ///< on the feed-forward output, before the residual sum
};

class EncoderLayer {
 public:
  EncoderLayer(const ParameterPlace& place, const std::string& prefix, const EncoderLayerNames& names,
               const EncoderLayerShape& shape, std::uint32_t first_dropout_place);

  /// hidden [tokens, width] -> [n, width], the rows that are selected. Of the others only keys and values are computed,
  /// and not even these where each sequence asks with one token (ops.h, attention_over_inputs()).
  Variable forward(Tape& tape, const PackedInput& input, const Variable& hidden,
                   const TokenSelection& selection = {}) const;

  /// How many dropout places a layer uses.
  static constexpr std::uint32_t kDropoutPlaces = 3;

 private:
  /// What the selected tokens, whose queries are q, take from all tokens of their sequences.
  [[nodiscard]] Variable attend(Tape& tape, const PackedInput& input, const Variable& q, const Variable& hidden,
                                const TokenSelection& selection) const;

  EncoderLayerShape shape_;
  std::uint32_t first_dropout_place_;
  Linear query_;
  Linear key_;
  Linear value_;
  Linear attention_output_;
  LayerNorm attention_norm_;
  Linear up_;
  Linear down_;
  LayerNorm output_norm_;
};

}  // namespace temper

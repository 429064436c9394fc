// Low-rank adapters: beside a weight W that stays as it is, a product of two thin matrices is trained, and W + scale B
// A is computed with (Hu et al.: "LoRA: low-rank adaptation of large language models", 2021). DoRA also trains the
// length of each row of that sum (Liu et al.: "DoRA: weight-decomposed low-rank adaptation", 2024); its norm counts as
// a constant in the backward pass (4.3). What is computed is what PEFT computes.
#pragma once

#include <cstdint>

#include "model/parameter.h"
#include "tensor/ops.h"

namespace temper {

struct LowRankParts {
  Variable a;                ///< [rank, in]; of embeddings [vocabulary, rank]
  Variable b;                ///< [out, rank]
  Variable magnitudes = {};  ///< [out] of DoRA; undefined: it is none
  Tensor ones = {};          ///< of DoRA: f32, as many as the weight has rows or columns, whichever are more
  float scale = 1.0F;
  double dropout = 0.0;      ///< of what A multiplies; not of embeddings
  std::uint32_t number = 0;  ///< among the adapters of the model, of which there are `count`: each drops its own
  std::uint32_t count = 1;
};

/// The layer that an adapter changes, or the part of it that gives some of its outputs.
struct BaseLayer {
  Variable weight;  ///< [outputs, in]
  Variable bias;    ///< [outputs]; may be undefined
  std::int64_t first_output = 0;
};

class LowRank {
 public:
  explicit LowRank(LowRankParts parts) : parts_(std::move(parts)) {}

  /// activation(base(x) with the adapter): x [rows, in] -> [rows, outputs]. `names` tells the rows apart for
  /// dropout; null: they are tokens, and the tape knows which.
  [[nodiscard]] Variable adapted(Tape& tape, const BaseLayer& base, const Variable& x, Activation activation,
                                 const TokenKeys* names = nullptr) const;
  /// `embedded` [tokens, out], a sum of embeddings that nobody reads afterwards, with what the adapter adds of the
  /// tokens' words.
  [[nodiscard]] Variable adapted(Tape& tape, const EmbeddingIndices& indices, const Variable& embedded) const;

  [[nodiscard]] const LowRankParts& parts() const { return parts_; }

 private:
  LowRankParts parts_;
};

/// W + scale B A: weight [out, in] f32 -> f32 [out, in], a tensor of its own; with DoRA each row scaled to its length.
/// Of embeddings [vocabulary, width].
Tensor merged_weight(Device& device, const Tensor& weight, const LowRankParts& parts, AdaptableModule::Kind kind);

/// Of a new DoRA adapter, whose B is zero, or of one with these parts: the lengths of the rows of W + scale B A, f32
/// [out].
Tensor row_lengths(Device& device, const Tensor& weight, const LowRankParts& parts);

}  // namespace temper

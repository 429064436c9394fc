// Causal language modelling: each token's hidden state times the output embeddings, which are those of the input layer
// (tied), or a matrix of the head's own.
#pragma once

#include <cstdint>
#include <string>

#include "model/head.h"
#include "model/layers/linear.h"

namespace temper {

/// What becomes of a product x of hidden state and output embedding: scale * x, and of that, with a soft cap c > 0,
/// c tanh(scale * x / c) (Gemma team: "Gemma 2", 2024, 2.2).
struct LogitShape {
  float scale = 1.0F;
  float soft_cap = 0.0F;
};

class CausalLmHead final : public Head {
 public:
  /// Tied: words [vocabulary, width], of the input layer.
  CausalLmHead(const Variable& words, const LossSettings& loss, const LogitShape& logits = {});
  /// Adds `name`.weight [vocabulary, width].
  CausalLmHead(const ParameterPlace& place, const std::string& name, std::int64_t vocabulary, std::int64_t width,
               const LossSettings& loss, const LogitShape& logits = {});

  Variable outputs(Tape& tape, const HeadInput& input) const override;
  [[nodiscard]] bool reads_all_of(const Variable& parameter) const override { return parameter == decoder_.weight(); }
  [[nodiscard]] bool is_large() const override { return true; }

 private:
  Linear decoder_;
  LogitShape logits_;
};

}  // namespace temper

// Causal language modelling: each token's hidden state times the output embeddings, which are those of the input layer
// (tied), or a matrix of the head's own.
#pragma once

#include <cstdint>
#include <string>

#include "model/head.h"
#include "model/layers/linear.h"

namespace temper {

class CausalLmHead final : public Head {
 public:
  /// Tied: words [vocabulary, width], of the input layer.
  CausalLmHead(const Variable& words, const LossSettings& loss, const LogitShape& logits = {});
  /// Adds `name`.weight [vocabulary, width].
  CausalLmHead(const ParameterPlace& place, const std::string& name, std::int64_t vocabulary, std::int64_t width,
               const LossSettings& loss, const LogitShape& logits = {});

  Variable outputs(Tape& tape, const HeadInput& input) const override;
  /// Without outputs of all rows (linear_cross_entropy), where the loss and the layer are the plain ones.
  void loss(Tape& tape, const HeadInput& input, const Targets& targets, const Tensor& sum) const override;
  void row_losses(Tape& tape, const HeadInput& input, const Targets& targets, const Tensor& sum,
                  const RowLosses& of_rows) const override;
  [[nodiscard]] bool reads_all_of(const Variable& parameter) const override { return parameter == decoder_.weight(); }
  [[nodiscard]] bool is_large() const override { return true; }

 private:
  /// Of LossKind::preference: each two sequences are a pair.
  void pair_loss(Tape& tape, const HeadInput& input, const Targets& targets, const Tensor& sum) const;
  /// Nothing but a product stands between hidden state and logits.
  [[nodiscard]] bool is_fused() const { return decoder_.is_plain() && !loss_settings().class_weights.defined(); }

  Linear decoder_;
  LogitShape logits_;
};

}  // namespace temper

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
  CausalLmHead(const Variable& words, const LossSettings& loss);
  /// Adds `name`.weight [vocabulary, width].
  CausalLmHead(const ParameterPlace& place, const std::string& name, std::int64_t vocabulary, std::int64_t width,
               const LossSettings& loss);

  Variable outputs(Tape& tape, const HeadInput& input) const override;
  [[nodiscard]] bool reads_all_of(const Variable& parameter) const override { return parameter == decoder_.weight(); }
  [[nodiscard]] bool is_large() const override { return true; }

 private:
  Linear decoder_;
};

}  // namespace temper

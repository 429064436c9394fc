// Masked language modelling: each token through a dense layer, a norm, and the word embeddings (tied) plus a bias.
#pragma once

#include <cstdint>
#include <string>

#include "model/head.h"
#include "model/heads/head_transform.h"
#include "model/layers/linear.h"

namespace temper {

struct MaskedLmHeadNames {
  std::string dense;
  std::string norm;
  std::string bias;
};

struct MaskedLmHeadShape {
  std::int64_t vocabulary;
  std::int64_t width;       ///< of the hidden state
  std::int64_t word_width;  ///< of the word embeddings
  Activation activation;
  float epsilon;
};

class MaskedLmHead final : public Head {
 public:
  /// words [vocabulary, word_width], of the input layer.
  MaskedLmHead(const ParameterPlace& place, const MaskedLmHeadNames& names, const Variable& words,
               const MaskedLmHeadShape& shape, const LossSettings& loss);
  /// With a transform of another make, whose parameters have been added before, and a bias only if it has a name.
  MaskedLmHead(const ParameterPlace& place, HeadTransform transform, const std::string& bias, const Variable& words,
               std::int64_t vocabulary, const LossSettings& loss);

  Variable outputs(Tape& tape, const HeadInput& input) const override;
  [[nodiscard]] bool reads_all_of(const Variable& parameter) const override { return parameter == decoder_.weight(); }
  [[nodiscard]] bool is_large() const override { return true; }

 private:
  HeadTransform transform_;
  Linear decoder_;
};

}  // namespace temper

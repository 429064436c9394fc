// Masked language modelling: each token through a dense layer, a norm, and the word embeddings (tied, or a
// matrix of the head's own) plus a bias.
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
  std::string bias;          ///< of tied words
  std::string decoder = {};  ///< of words of the head's own
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
  /// words [vocabulary, word_width], of the input layer; undefined: the head has its own.
  MaskedLmHead(const ParameterPlace& place, const MaskedLmHeadNames& names, const Variable& words,
               const MaskedLmHeadShape& shape, const LossSettings& loss);
  /// Of other make; their parameters have been added before.
  MaskedLmHead(HeadTransform transform, Linear decoder, const LossSettings& loss);

  Variable outputs(Tape& tape, const HeadInput& input) const override;
  [[nodiscard]] bool reads_all_of(const Variable& parameter) const override { return parameter == decoder_.weight(); }
  [[nodiscard]] bool is_large() const override { return true; }

 private:
  HeadTransform transform_;
  Linear decoder_;
};

}  // namespace temper

// Losses: what a head adds up over the rows that it reads. Each is that of transformers' models for the same purpose.
#pragma once

#include <cstdint>

#include "tensor/ops.h"

namespace temper {

enum class LossKind : std::uint8_t {
  cross_entropy,
  binary_cross_entropy,
  mean_squared_error,
  preference,  ///< of pairs of sequences, by the cross entropy of their tokens
};

/// Given to a head when it is made.
struct LossSettings {
  LossKind kind = LossKind::cross_entropy;
  Tensor class_weights = {};  ///< of cross_entropy, in training alone: f32 [classes]; undefined: all 1
  /// Class weights count in evaluations, too: where these compare what training makes smaller.
  bool weights_evaluations = false;
  /// Of cross_entropy, in training alone: an evaluation measures the labels.
  float label_smoothing = 0.0F;
  float z_loss = 0.0F;  ///< likewise
  PreferenceTerms preference = {};

  /// Of pairs: smoothing is a matter of training, too.
  [[nodiscard]] PreferenceTerms preference_terms(bool trains) const {
    PreferenceTerms terms = preference;
    if (!trains) terms.label_smoothing = 0.0;
    return terms;
  }

  [[nodiscard]] CrossEntropyTerms terms(const Tape& tape) const {
    return tape.is_training() ? CrossEntropyTerms{label_smoothing, z_loss} : CrossEntropyTerms{};
  }
};

/// What the outputs of a batch are compared with; the loss reads the member that it needs.
struct Targets {
  Tensor classes = {};     ///< i32 [rows of outputs], of cross_entropy and preference
  Tensor rows = {};        ///< i32 [classes]: which row of outputs each class is of; undefined: one after the other
  Tensor values = {};      ///< f32 [rows of outputs, columns of outputs], of the others
  Tensor weights = {};     ///< f32 [rows of outputs], of cross_entropy: what each counts; undefined: all 1
  Tensor references = {};  ///< f64 [sequences], of preference: logarithms of probabilities under the reference
};

/// What the loss of these targets is besides the negative log-likelihood.
CrossEntropyTerms loss_terms(const Tape& tape, const LossSettings& settings, const Targets& targets);

/// Adds the loss, of any kind but preference, to `sum` f64 [2], as a sum and what to divide it by, and leaves the
/// gradient of the sum for Tape::backward. In training the outputs may make way for their gradient.
void add_loss(Tape& tape, const Variable& outputs, const Targets& targets, const LossSettings& settings,
              const Tensor& sum);

}  // namespace temper

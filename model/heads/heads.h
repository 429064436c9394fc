// Heads: what stands on an encoder's last hidden state and gives logits.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "model/blocks/post_norm_block.h"
#include "model/model.h"

namespace temper {

class Head {
 public:
  Head() = default;
  Head(const Head&) = delete;
  Head& operator=(const Head&) = delete;
  virtual ~Head() = default;

  /// The last hidden state of some tokens, rows [n, width], and their names -> [n, labels].
  virtual Variable forward(Tape& tape, const Variable& rows, RowNames names) const = 0;
};

/// Width and labels of a head, its dropout rate, and the first of the dropout places it may use.
struct HeadShape {
  std::int64_t width;
  std::int64_t labels;
  double dropout;
  std::uint32_t dropout_place;
};

/// The first token through a dense layer, dropout and a classifier.
struct SequenceHeadNames {
  std::string dense;
  Activation activation = Activation::tanh;
  std::string classifier;
  bool dropout_before_dense = false;
};
std::unique_ptr<Head> make_sequence_head(const ParameterPlace& place, const SequenceHeadNames& names,
                                         const HeadShape& shape);

/// Each token through dropout and a classifier.
std::unique_ptr<Head> make_token_head(const ParameterPlace& place, const std::string& classifier,
                                      const HeadShape& shape);

/// Each token through a dense layer, a norm, and the word embeddings (tied) plus a bias: masked language modelling.
struct MaskedHeadNames {
  std::string dense;
  std::string norm;
  std::string bias;
};
std::unique_ptr<Head> make_masked_head(const ParameterPlace& place, const MaskedHeadNames& names,
                                       const HeadShape& shape, Activation activation, float epsilon,
                                       const Variable& word_embeddings);

}  // namespace temper

#include "model/heads/heads.h"

namespace temper {
namespace {

class SequenceHead final : public Head {
 public:
  SequenceHead(const ParameterPlace& place, const SequenceHeadNames& names, const HeadShape& shape)
      : shape_(shape),
        activation_(names.activation),
        dropout_before_dense_(names.dropout_before_dense),
        dense_(add_linear(place, names.dense, shape.width, shape.width)),
        classifier_(add_linear(place, names.classifier, shape.labels, shape.width)) {}

  Variable forward(Tape& tape, const Variable& rows, RowNames names) const override {
    Variable row = rows;
    if (dropout_before_dense_) row = dropout(tape, row, names, tape.dropout(shape_.dropout, shape_.dropout_place));
    row = linear(tape, row, dense_.weight, dense_.bias, activation_);
    row = dropout(tape, row, names, tape.dropout(shape_.dropout, shape_.dropout_place + 1));
    return linear(tape, row, classifier_.weight, classifier_.bias);
  }

 private:
  HeadShape shape_;
  Activation activation_;
  bool dropout_before_dense_;
  Linear dense_;
  Linear classifier_;
};

class TokenHead final : public Head {
 public:
  TokenHead(const ParameterPlace& place, const std::string& classifier, const HeadShape& shape)
      : shape_(shape), classifier_(add_linear(place, classifier, shape.labels, shape.width)) {}

  Variable forward(Tape& tape, const Variable& rows, RowNames names) const override {
    const Variable kept = dropout(tape, rows, names, tape.dropout(shape_.dropout, shape_.dropout_place));
    return linear(tape, kept, classifier_.weight, classifier_.bias);
  }

 private:
  HeadShape shape_;
  Linear classifier_;
};

class MaskedHead final : public Head {
 public:
  MaskedHead(const ParameterPlace& place, const MaskedHeadNames& names, const HeadShape& shape, Activation activation,
             float epsilon, Variable word_embeddings)
      : activation_(activation),
        dense_(add_linear(place, names.dense, shape.width, shape.width)),
        norm_(add_layer_norm(place, names.norm, shape.width, epsilon)),
        words_(std::move(word_embeddings)),
        bias_(place.list.add(names.bias, {shape.labels}, place.depth, place.head, Initialization::zeros()).variable) {}

  Variable forward(Tape& tape, const Variable& rows, RowNames) const override {
    const Variable dense = linear(tape, rows, dense_.weight, dense_.bias, activation_);
    const Variable normed = layer_norm(tape, dense, Variable(), norm_.weight, norm_.bias, norm_.epsilon);
    return linear(tape, normed, words_, bias_);
  }

 private:
  Activation activation_;
  Linear dense_;
  LayerNorm norm_;
  Variable words_;
  Variable bias_;
};

}  // namespace

std::unique_ptr<Head> make_sequence_head(const ParameterPlace& place, const SequenceHeadNames& names,
                                         const HeadShape& shape) {
  return std::make_unique<SequenceHead>(place, names, shape);
}

std::unique_ptr<Head> make_token_head(const ParameterPlace& place, const std::string& classifier,
                                      const HeadShape& shape) {
  return std::make_unique<TokenHead>(place, classifier, shape);
}

std::unique_ptr<Head> make_masked_head(const ParameterPlace& place, const MaskedHeadNames& names,
                                       const HeadShape& shape, Activation activation, float epsilon,
                                       const Variable& word_embeddings) {
  return std::make_unique<MaskedHead>(place, names, shape, activation, epsilon, word_embeddings);
}

}  // namespace temper

// Heads, which read the last hidden state. A head ends the pass: in training it gives a loss, and whoever trains never
// sees what it was computed from, so a head may compute both in one (a fused linear cross-entropy), or something else
// altogether (a preference, the distance from another model).
#pragma once

#include <cstdint>
#include <utility>

#include "model/head_kind.h"
#include "model/loss.h"
#include "model/packed_input.h"
#include "model/readout.h"
#include "tensor/tape.h"

namespace temper {

/// What a head is made for.
struct HeadRequest {
  HeadKind kind = HeadKind::sequence;
  std::int64_t labels = 0;  ///< outputs of a row; of a language model the vocabulary decides
  LossSettings loss = {};
};

/// What a head reads of a pass.
struct HeadInput {
  const Variable& hidden;           ///< [n, width] of the tokens that its readout names
  const PackedInput& batch;         ///< the sequences that they are of
  const TokenSelection& selection;  ///< undefined where every token is read one by one
  std::uint32_t dropout_place = 0;  ///< dropout uses the places from there on

  /// Of the rows of outputs.
  [[nodiscard]] TokenKeys names() const { return batch.names_of(selection); }
};

class Head {
 public:
  Head(Readout readout, LossSettings loss) : readout_(readout), loss_(std::move(loss)) {}
  Head(const Head&) = delete;
  Head& operator=(const Head&) = delete;
  virtual ~Head() = default;

  /// [n, labels] or [n, vocabulary]: a row for each token that is read, or for each sequence.
  virtual Variable outputs(Tape& tape, const HeadInput& input) const = 0;
  /// Ends a pass in training: adds to `sum` f64 [2] what add_loss adds, and leaves the gradient. Of a loss of pairs it
  /// may be f64 [4] (tensor/ops/preference.h).
  virtual void loss(Tape& tape, const HeadInput& input, const Targets& targets, const Tensor& sum) const {
    loss_of(tape, outputs(tape, input), targets, sum);
  }
  /// The same for who has the outputs already, an evaluation.
  virtual void loss_of(Tape& tape, const Variable& outputs, const Targets& targets, const Tensor& sum) const {
    add_loss(tape, outputs, targets, loss_, sum);
  }

  /// Of a softmax over classes, in a pass that is not recorded: the loss of each row and its predicted class, where
  /// `of_rows` has room for them; `sum` as cross_entropy adds to it. A head over a vocabulary does without outputs of
  /// all rows.
  virtual void row_losses(Tape& tape, const HeadInput& input, const Targets& targets, const Tensor& sum,
                          const RowLosses& of_rows) const {
    row_cross_entropy(tape, outputs(tape, input), targets.classes, loss_terms(tape, loss_, targets), sum, of_rows);
  }

  /// What the last hidden state becomes where the norm that ends the network is the head's, because it reads no more
  /// than the head does: [n, width] of any tokens -> [n, width].
  virtual Variable normed(Tape& /*tape*/, const Variable& hidden) const { return hidden; }

  [[nodiscard]] const Readout& readout() const { return readout_; }
  /// True where all of this parameter is read, whatever the batch holds: a tied table.
  [[nodiscard]] virtual bool reads_all_of(const Variable& /*parameter*/) const { return false; }
  /// True where its activations take more memory than a block's.
  [[nodiscard]] virtual bool is_large() const { return false; }

 protected:
  [[nodiscard]] const LossSettings& loss_settings() const { return loss_; }

 private:
  Readout readout_;
  LossSettings loss_;
};

}  // namespace temper

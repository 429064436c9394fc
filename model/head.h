// Heads: what stands on the last hidden state and gives logits.
#pragma once

#include <cstdint>

#include "model/packed_input.h"
#include "model/task.h"
#include "tensor/tape.h"

namespace temper {

/// What a head is made for: the task, and how many labels (targets, for a regression) it has.
struct HeadRequest {
  Task task = Task::sequence_classification;
  std::int64_t labels = 0;
};

class Head {
 public:
  Head() = default;
  Head(const Head&) = delete;
  Head& operator=(const Head&) = delete;
  virtual ~Head() = default;

  /// The last hidden state of some tokens, rows [n, width], and their names -> [n, labels] or [n, vocabulary]. Dropout
  /// uses the places from `dropout_place` on.
  virtual Variable forward(Tape& tape, const Variable& rows, RowNames names, std::uint32_t dropout_place) const = 0;
  /// True where all of this parameter is read, whatever the batch holds: a tied table.
  [[nodiscard]] virtual bool reads_all_of(const Variable& /*parameter*/) const { return false; }
  /// True where its activations take more memory than a block's.
  [[nodiscard]] virtual bool is_large() const { return false; }
};

}  // namespace temper

// A packed batch on the device: what the model reads, and what its loss compares with.
#pragma once

#include <cstdint>

#include "data/batch.h"
#include "model/model.h"
#include "tensor/device.h"

namespace temper {

struct DeviceBatch {
  PackedInput input;
  TokenSelection selection;  ///< the first token of each sequence, or for token tasks those that carry a label
  Tensor classes;            ///< i32, one a row of logits; undefined for regression and multi-label
  Tensor targets;            ///< f32 [sequences, labels], for regression and multi-label
  std::int64_t rows = 0;     ///< of logits
};

/// Copies a batch to the device. Token tasks without labels (`labelled` false) read every token.
DeviceBatch to_device(const Batch& batch, Task task, bool labelled, Device& device);

}  // namespace temper

// A packed batch on the device: what the model reads, and what its loss compares with.
#pragma once

#include <cstdint>
#include <vector>

#include "data/batch.h"
#include "model/model.h"
#include "runtime/steps/hidden_rows.h"
#include "tensor/device.h"

namespace temper {

struct DeviceBatch {
  PackedInput input;
  TokenSelection selection;  ///< the first token of each sequence, or for token tasks those that carry a label
  Tensor classes;            ///< i32, one a row of logits; undefined for regression and multi-label
  Tensor targets;            ///< f32 [sequences, labels], for regression and multi-label
  std::int64_t rows = 0;     ///< of logits
  Variable hidden;           ///< what Model::hidden_state would give, where it is known
  Tensor block;              ///< the memory that all of these lie in
  std::vector<std::int32_t> host_classes;  ///< what `classes` holds, on the host
};

struct BatchUse {
  bool labelled = true;               ///< token tasks without labels read every token
  bool trains_embeddings = false;     ///< backward goes into the embedding tables
  bool padded_groups = false;         ///< what is laid out depends on the shape of the batch alone
  const HiddenRows* cache = nullptr;  ///< gives the hidden state; tokens are then not brought
};

/// Copies a batch to the device, in one copy: into `block`, if that is given and has the size.
DeviceBatch to_device(const Batch& batch, Task task, const BatchUse& use, Device& device, Tensor block = {});

}  // namespace temper

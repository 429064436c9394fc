// A packed batch on the device: the model's input and the loss's targets.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "data/batch.h"
#include "model/model.h"
#include "runtime/steps/hidden_rows.h"
#include "tensor/device.h"

namespace temper {

struct DeviceBatch {
  PackedInput input;
  TokenSelection selection;  ///< of the readout: where that is the mean of tokens, it names the sequences by their
                             ///< first; undefined where every token is read
  Targets targets;           ///< one for each row of outputs; undefined without labels
  std::int64_t rows = 0;     ///< of outputs
  Variable hidden;           ///< what Model::hidden_state would give, where it is known
  Tensor block;              ///< the memory that all of these lie in
  std::vector<std::int32_t> host_classes;  ///< what `targets.classes` holds, on the host
};

struct BatchUse {
  bool labelled = true;               ///< else targets are not brought, and a readout of labels reads every token
  bool trains_embeddings = false;     ///< backward goes into the embedding tables
  bool weighted = false;              ///< tokens count by their weights, which only training asks for
  bool padded_groups = false;         ///< what is laid out depends on the shape of the batch alone
  const HiddenRows* cache = nullptr;  ///< gives the hidden state; tokens are then not brought
};

/// What the shapes of all activations follow from.
struct BatchShape {
  std::int64_t tokens = 0;
  std::int64_t sequences = 0;
  std::int64_t longest = 0;  ///< tokens of the longest sequence
  std::int64_t rows = 0;     ///< of outputs
  bool weighted = false;     ///< the rows have weights
  auto operator<=>(const BatchShape&) const = default;
};

/// Memory for a batch of this shape; undefined where it is to have memory of its own.
using BlockFinder = std::function<Tensor(const BatchShape& shape)>;

/// Copies a batch to the device for a model with this readout, in one copy: into what `find_block` gives, if that is
/// asked and has the size.
DeviceBatch to_device(const Batch& batch, const Readout& readout, const BatchUse& use, Device& device,
                      const BlockFinder& find_block = {});

}  // namespace temper

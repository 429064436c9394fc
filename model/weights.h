// Gives a model's parameters their values from a Hugging Face folder.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/huggingface/weight_files.h"
#include "model/model.h"
#include "tensor/device.h"

namespace temper {

struct LoadOptions {
  bool replace_head = false;    ///< a head of another size in the file is left out and a new one drawn
  std::uint64_t seed = 0;       ///< of new weights
  std::string keeps_head = {};  ///< setting with which a stored head of another size fits, for messages; empty: none
};

struct LoadReport {
  std::vector<std::string> initialized;  ///< parameters of the head that the files lack: drawn anew
  std::vector<std::string> replaced;     ///< of another size in the files and drawn anew, as asked
  std::vector<std::string> unexpected;   ///< tensors of the files that the model has no use for
};

/// Weights stored as f32 are not copied where the device shares the host's memory: the parameters view the mapped
/// files, which must outlive the model. Names may
/// be with or without the model's prefix, and norms may be called gamma and beta. Throws Error listing what is missing
/// of the encoder, or naming file, tensor and both shapes where they differ.
LoadReport load_weights(Model& model, const WeightFiles& files, Device& device, const LoadOptions& options);

}  // namespace temper

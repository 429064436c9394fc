// What a model makes of pairs of answers before it is trained: the reference that its training is measured by.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "comm/communicator.h"
#include "data/paired_rows.h"
#include "model/model.h"
#include "tensor/device.h"

namespace temper {

struct ReferenceSettings {
  DType activations = DType::f32;
  std::filesystem::path folder = {};                 ///< where they are kept for other starts; empty: nowhere
  std::function<void(const std::string&)> say = {};  ///< is told how far it is
};

/// Collective. The logarithm of the probability of what counts of each sequence of `pairs`, by the model as it is, is
/// what they are compared with from then on. Each sequence is computed by one rank, and its bits depend on neither the
/// ranks nor its company. Read from the folder where a model with the same weights, a device with the same arithmetic
/// and the same rows left them.
void compare_with_model(std::span<PairedRows* const> pairs, Model& model, Device& device, Communicator& communicator,
                        const ReferenceSettings& settings);

}  // namespace temper

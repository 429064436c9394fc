// Attention rollout (Abnar, Zuidema: "Quantifying attention flow in transformers", 2020): which patches flow into the
// token that is read, through all blocks.
#pragma once

#include <cstdint>

#include "model/model.h"
#include "runtime/explaining/relevance_map.h"
#include "runtime/steps/device_batch.h"
#include "tensor/device.h"

namespace temper {

/// Of a batch of one image, of a model whose tokens are a class token, others of no place, and from `first_patch` on
/// the places of `grid`. A block's matrix is the mean of its heads' probabilities and of the identity, which stands for
/// the residual stream, half and half, so its rows sum to 1; the map is the class token's row of the product of all
/// blocks, at the patches. Something flows from every patch, so what the least of them has counts as not marked. The
/// map does not depend on a class. Probabilities are computed in f64 of the queries and keys that the pass has. Throws
/// Error for a model that attends in parts of an image, or in other ways (windows, distances).
RelevanceMap attention_rollout(const Model& model, Device& device, const DeviceBatch& image, std::int64_t first_patch,
                               ImageExtent grid);

}  // namespace temper

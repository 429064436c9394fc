// Attention rollout (Abnar, Zuidema: "Quantifying attention flow in transformers", 2020): which patches flow into the
// token that is read, through all blocks.
#pragma once

#include "model/architectures/architecture.h"
#include "model/model.h"
#include "runtime/explaining/relevance_map.h"
#include "runtime/steps/device_batch.h"
#include "tensor/device.h"

namespace temper {

/// Of a batch of one image, of a model whose tokens are a class token, others of no place, and from the first patch on
/// the places of `grid`. A block's matrix is the mean of its heads' probabilities and of the identity, which stands for
/// the residual stream, half and half, so its rows sum to 1; the map is the class token's row of the product of all
/// blocks, at the patches; the mean of the rows of the tokens that have classifiers where there are several. Something
/// flows from every patch, so what the least of them has counts as not marked. The map does not depend on a class.
/// Probabilities are computed in f64 of the queries and keys that the pass has. Throws Error for a model that attends
/// in parts of an image, or in other ways (windows, distances).
RelevanceMap attention_rollout(const Model& model, Device& device, const DeviceBatch& image, const ImageSizes& images,
                               ImageExtent grid);

}  // namespace temper

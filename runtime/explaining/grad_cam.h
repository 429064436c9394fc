// Grad-CAM (Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra: "Grad-CAM: visual explanations from deep networks via
// gradient-based localization", 2017): where the last map of a network speaks for a class.
#pragma once

#include <cstdint>

#include "model/model.h"
#include "runtime/explaining/relevance_map.h"
#include "runtime/steps/device_batch.h"
#include "tensor/device.h"

namespace temper {

/// Of a batch of one image: the mean, over the places of the last hidden state, of the gradient of output `output` by a
/// channel is that channel's weight; the weighted sum of channels at each place, where it is above 0, is the map. The
/// network itself runs as in an evaluation; only the head is gone back through. `grid`: the places of the last hidden
/// state, which has no others. Sums in f64.
RelevanceMap grad_cam(const Model& model, Device& device, const DeviceBatch& image, std::int64_t output,
                      ImageExtent grid);

}  // namespace temper

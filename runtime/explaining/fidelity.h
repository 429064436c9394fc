// Whether a map marks what a model goes by: how much the probability falls when the most marked part of an image is
// erased (Samek, Binder, Montavon, Lapuschkin, Mueller: "Evaluating the visualization of what a deep neural network has
// learned", 2017; one step of it), beside the same for parts at random.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/batch.h"
#include "model/model.h"
#include "runtime/explaining/relevance_map.h"
#include "runtime/tasks/task.h"
#include "tensor/device.h"

namespace temper {

struct Fidelity {
  double share = 0.0;   ///< of the pixels that were erased
  double marked = 0.0;  ///< probability before less probability after, of the most marked pixels; -1 to 1
  double random = 0.0;  ///< the mean of this over parts of the same form at random places
};

/// [height, width]: 1 for the most marked `share` of an image's pixels, of equals those that come first; none that is
/// not marked at all.
std::vector<std::uint8_t> most_marked(const RelevanceMap& map, ImageExtent extent, double share);

/// What a model makes of images of one size, [images][outputs]: probabilities of classes that exclude each other, or of
/// labels, each for itself. `like`: the batch of one image of which everything but the pixels is taken; `pixels`: of
/// each image [height, width, channels].
std::vector<std::vector<double>> probabilities_of(Model& model, Device& device, LossKind loss, const Batch& like,
                                                  std::span<const std::vector<float>> pixels);

/// Of a batch of one image. What is erased gets the mean of the image's pixels, channel by channel. Parts at random are
/// the marked part moved, around the edges, by distances that are drawn by counter: the same for each call.
Fidelity measure_fidelity(Model& model, Device& device, LossKind loss, const Batch& image, const RelevanceMap& map,
                          std::int64_t output, double share);

}  // namespace temper

#include "model/layers/patch_projection.h"

#include "base/error.h"

namespace temper {
namespace {

/// The tensor of a convolution is the matrix of the product as it lies: its rows are the outputs.
Linear add_convolution(const ParameterPlace& place, std::int64_t width, std::int64_t channels, ImageExtent patch) {
  const Variable weight = place.add("weight", {width, channels, patch.height, patch.width}, place.weights);
  return Linear(weight, place.add("bias", {width}, Initialization::zeros()));
}

}  // namespace

PatchProjection::PatchProjection(const ParameterPlace& place, const std::string& name, std::int64_t width,
                                 std::int64_t channels, ImageExtent patch)
    : channels_(channels), patch_(patch), linear_(add_convolution(place.within(name), width, channels, patch)) {}

Variable PatchProjection::operator()(Tape& tape, const PixelInput& pixels) const {
  if (pixels.values.columns() != channels_)
    throw Error("the images have {} channels, but the model reads {}", pixels.values.columns(), channels_);
  return linear_(tape, patches(tape, pixels.values, {pixels.height, pixels.width, patch_.height, patch_.width}));
}

}  // namespace temper

#include "model/layers/feature_map.h"

#include "base/error.h"
#include "tensor/kernels.h"

namespace temper {

ImageExtent MapSizes::last(ImageExtent image) const {
  const ImageExtent map = above(static_cast<std::int64_t>(stages_.size()) - 1, image);
  if (map.pixels() < 1)
    throw Error(
        "images of {} x {} pixels (height x width) are too small for the model, whose last map has none of them",
        image.height, image.width);
  return map;
}

Variable pixels_as_activations(Tape& tape, const PackedInput& input) {
  const Tensor& values = input.pixels.values;
  if (tape.activations() == values.type()) return Variable(values);
  const Tensor rounded = tape.empty(values.shape(), tape.activations());
  tape.kernels().run(calls::Copy{.x = values.as_rows(), .y = rounded.as_rows()});
  return Variable(rounded);
}

}  // namespace temper

// A packed batch of images for tests of models.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/architectures/architecture.h"
#include "model/packed_input.h"
#include "tensor/array_bundle.h"
#include "tensor/device.h"
#include "tests/model/sequence_names.h"

namespace temper::testing_support {

struct ImageBatch {
  PackedInput input;
  TokenSelection first_tokens;  ///< one of each image
  Tensor block;
  Tensor pixels;

  /// `values` [images, height, width, channels]. The first image is example `first_example`.
  ImageBatch(Device& device, const ImageSizes& sizes, ImageExtent extent, const std::vector<float>& values,
             std::uint32_t first_example = 0) {
    const auto images = static_cast<std::int64_t>(values.size()) / (extent.pixels() * sizes.channels);
    const auto tokens = static_cast<std::int32_t>(sizes.tokens(extent));
    SequenceNames names;
    for (std::uint32_t image = 0; image < images; ++image) names.add(first_example + image, tokens);
    ArrayBundle bundle;
    names.add_to(bundle, input, first_tokens);
    bundle.upload(device, block);
    input.longest = tokens;
    pixels = device.upload(std::span<const float>(values), {images * extent.pixels(), sizes.channels});
    input.pixels = {pixels, extent.height, extent.width};
  }
};

}  // namespace temper::testing_support

// A packed batch of images for tests of models.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/architectures/architecture.h"
#include "model/packed_input.h"
#include "tensor/array_bundle.h"
#include "tensor/device.h"

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
    std::vector<std::int32_t> starts{0}, rows, query_starts{0};
    std::vector<std::uint32_t> examples, token_examples, token_positions, zeros;
    for (std::int32_t image = 0; image < images; ++image) {
      examples.push_back(first_example + static_cast<std::uint32_t>(image));
      rows.push_back(starts.back());
      zeros.push_back(0);
      for (std::int32_t token = 0; token < tokens; ++token) {
        token_examples.push_back(examples.back());
        token_positions.push_back(static_cast<std::uint32_t>(token));
      }
      starts.push_back(starts.back() + tokens);
      query_starts.push_back(image + 1);
    }
    ArrayBundle bundle;
    bundle.add(starts, input.starts);
    bundle.add(examples, input.examples);
    bundle.add(token_examples, input.token_examples);
    bundle.add(token_positions, input.token_positions);
    bundle.add(rows, first_tokens.rows);
    bundle.add(query_starts, first_tokens.starts);
    bundle.add(examples, first_tokens.examples);
    bundle.add(zeros, first_tokens.positions);
    first_tokens.one_of_each = true;
    bundle.upload(device, block);
    input.longest = tokens;
    pixels = device.upload(std::span<const float>(values), {images * extent.pixels(), sizes.channels});
    input.pixels = {pixels, extent.height, extent.width};
  }
};

}  // namespace temper::testing_support

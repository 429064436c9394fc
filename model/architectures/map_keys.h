// Keys of config.json that convolutional nets have in common.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "model/architectures/architecture.h"
#include "model/layers/feature_map.h"

namespace temper {

/// A list of whole numbers from 1 on. Throws Error for anything else, and where it is not as long as `length`, unless
/// that is 0.
std::vector<std::int64_t> read_counts(const ConfigKeys& keys, const ConfigKey& key,
                                      const std::vector<std::int64_t>& otherwise, std::size_t length = 0);

/// Sizes of a net whose stages do this to maps; 0 for a side: config.json names no size of images.
ModelSizes sizes_of_maps(std::shared_ptr<const MapSizes> sizes, std::int64_t channels, ImageExtent extent);

/// What ModelParts::shape_above is of such a net, of which stage i gives widths[i] channels.
std::function<HiddenShape(std::int64_t, std::int64_t, std::int64_t)> shape_of_maps(
    std::shared_ptr<const MapSizes> sizes, std::vector<std::int64_t> widths);

}  // namespace temper

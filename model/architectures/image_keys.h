// Keys of config.json that architectures over images have in common.
#pragma once

#include <string>

#include "base/image_extent.h"
#include "model/architectures/architecture.h"

namespace temper {

/// A number for both sides, or [height, width]. Throws Error for anything else, and beyond 65,536.
ImageExtent read_extent(const ConfigKeys& keys, const ConfigKey& key, std::int64_t otherwise);
/// "num_channels".
std::int64_t read_channels(const ConfigKeys& keys);

/// How many patches an image has down and across. Throws Error, without a place, unless its sides are multiples of the
/// patch's.
ImageExtent patches_of(ImageExtent image, ImageExtent patch);

}  // namespace temper

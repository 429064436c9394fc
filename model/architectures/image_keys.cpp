#include "model/architectures/image_keys.h"

#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include "base/error.h"

namespace temper {
namespace {

constexpr std::int64_t kLargestSide = 65'536;
constexpr std::int64_t kMostChannels = 1'024;

}  // namespace

ImageExtent read_extent(const ConfigKeys& keys, const ConfigKey& key, std::int64_t otherwise) {
  const nlohmann::ordered_json* value = keys.find(key);
  if (value == nullptr || !value->is_array()) {
    const std::int64_t side = keys.integer(key, otherwise, 1, kLargestSide);
    return {side, side};
  }
  const auto is_side = [](const nlohmann::ordered_json& side) {
    return side.is_number_integer() && side.get<std::int64_t>() >= 1 && side.get<std::int64_t>() <= kLargestSide;
  };
  if (value->size() != 2 || !is_side(value->at(0)) || !is_side(value->at(1)))
    keys.refuse(key, fmt::format("a whole number from 1 to {0}, or [height, width] of these", kLargestSide));
  return {value->at(0).get<std::int64_t>(), value->at(1).get<std::int64_t>()};
}

std::int64_t read_channels(const ConfigKeys& keys) { return keys.integer("num_channels", 3, 1, kMostChannels); }

ImageExtent patches_of(ImageExtent image, ImageExtent patch) {
  const auto count = [](const char* side, std::int64_t length, std::int64_t of_patch) {
    if (length <= 0 || length % of_patch != 0)
      throw Error("the {} of the images is {} pixels, and must be a multiple of {}, the size of the model's patches",
                  side, length, of_patch);
    return length / of_patch;
  };
  return {count("height", image.height, patch.height), count("width", image.width, patch.width)};
}

}  // namespace temper

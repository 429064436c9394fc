#include "model/architectures/map_keys.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include <fmt/format.h>

namespace temper {
namespace {

constexpr std::int64_t kLargestCount = 65'536;
constexpr std::size_t kLongestList = 64;

}  // namespace

std::vector<std::int64_t> read_counts(const ConfigKeys& keys, const ConfigKey& key,
                                      const std::vector<std::int64_t>& otherwise, std::size_t length) {
  const nlohmann::ordered_json* value = keys.find(key);
  const auto is_count = [](const nlohmann::ordered_json& number) {
    return number.is_number_integer() && number >= 1 && number <= kLargestCount;
  };
  std::vector<std::int64_t> counts = otherwise;
  const bool is_absent = value == nullptr || value->is_null();
  if (!is_absent) {
    if (!value->is_array() || value->empty() || value->size() > kLongestList ||
        !std::all_of(value->begin(), value->end(), is_count))
      keys.refuse(key, fmt::format("a list of whole numbers from 1 to {}", kLargestCount));
    counts = value->get<std::vector<std::int64_t>>();
  }
  if (length != 0 && counts.size() != length)
    keys.refuse(key, fmt::format("a list of {} whole numbers, one for each stage of the net", length));
  return counts;
}

ModelSizes sizes_of_maps(std::shared_ptr<const MapSizes> sizes, std::int64_t channels, ImageExtent extent) {
  ModelSizes all;
  all.images.channels = channels;
  all.images.extent = extent;
  all.images.tokens = [sizes](ImageExtent image) { return sizes->last_pixels(image); };
  all.images.grid = [sizes](ImageExtent image) { return sizes->last(image); };
  return all;
}

std::function<HiddenShape(std::int64_t, std::int64_t, std::int64_t)> shape_of_maps(
    std::shared_ptr<const MapSizes> sizes, std::vector<std::int64_t> widths) {
  return [sizes = std::move(sizes), widths = std::move(widths)](std::int64_t stage, std::int64_t height,
                                                                std::int64_t width) {
    return HiddenShape{sizes->above(stage, {height, width}).pixels(), widths[static_cast<std::size_t>(stage)]};
  };
}

}  // namespace temper

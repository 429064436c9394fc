#include "runtime/inputs/picture_requests.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cmath>
#include <string_view>

#include "base/error.h"

namespace temper {
namespace {

/// The whole text as a number; nothing where it is none.
template <typename Number>
std::optional<Number> number_of(std::string_view text) {
  Number number{};
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

void take_slice(const std::string& text, ImageUse& use) {
  const std::size_t colon = text.find(':');
  const std::string_view all(text);
  const auto axis = number_of<std::int64_t>(all.substr(0, colon));
  const std::string_view index = colon == std::string::npos ? std::string_view() : all.substr(colon + 1);
  const auto slice = index == "middle" ? std::optional<std::int64_t>(-1) : number_of<std::int64_t>(index);
  if (!axis || *axis < 0 || *axis > 2 || !slice || *slice < -1)
    throw usage_error("--slice is {}; expected AXIS:INDEX, such as 2:40, with an axis of 0 to 2, or AXIS:middle", text);
  use.axis = *axis;
  use.slice = *slice;
}

void take_window(const std::string& text, ImageUse& use) {
  use.window.clear();
  if (text == "file") return;
  const std::size_t comma = text.find(',');
  const std::string_view all(text);
  const auto centre = number_of<double>(all.substr(0, comma));
  const auto width = number_of<double>(comma == std::string::npos ? std::string_view() : all.substr(comma + 1));
  if (!centre || !width || !std::isfinite(*centre) || !std::isfinite(*width) || *width <= 0.0)
    throw usage_error("--window is {}; expected CENTRE,WIDTH, such as -600,1500, with a width above 0, or file", text);
  use.window = {*centre, *width};
}

std::string frame_text(std::int64_t frame) { return frame < 0 ? "none" : fmt::format("{}", frame); }
std::string slice_text(const ImageUse& use) {
  return use.slice < 0 ? fmt::format("{}:middle", use.axis) : fmt::format("{}:{}", use.axis, use.slice);
}
std::string window_text(const ImageUse& use) {
  return use.window.empty() ? std::string("that of the file") : fmt::format("{}", fmt::join(use.window, ","));
}

}  // namespace

ImageUse with_requests(ImageUse known, const PictureRequests& requests) {
  if (requests.frame) known.frame = *requests.frame;
  if (!requests.slice.empty()) take_slice(requests.slice, known);
  if (!requests.window.empty()) take_window(requests.window, known);
  if (requests.most_megapixels) known.most_megapixels = *requests.most_megapixels;
  return known;
}

std::vector<std::string> differences(const ImageUse& known, const ImageUse& used) {
  std::vector<std::string> found;
  const auto note = [&](std::string_view what, const std::string& now, const std::string& then, const char* option) {
    if (now != then) found.push_back(fmt::format("{} {} instead of {} ({})", what, now, then, option));
  };
  note("frame", frame_text(used.frame), frame_text(known.frame), "--frame");
  note("slice", slice_text(used), slice_text(known), "--slice");
  note("window", window_text(used), window_text(known), "--window");
  return found;
}

}  // namespace temper

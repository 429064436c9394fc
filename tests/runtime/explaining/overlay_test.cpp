#include "runtime/explaining/overlay.h"

#include <gtest/gtest.h>

#include <set>
#include <variant>

namespace temper {
namespace {

Picture grey(std::int64_t height, std::int64_t width, std::uint8_t value) {
  Picture picture{{height, width}, 1, {}, 0.0F, 255.0F};
  picture.samples = std::vector<std::uint8_t>(static_cast<std::size_t>(height * width), value);
  return picture;
}

ImageProcessor processor_of(ImageExtent size) {
  ImageProcessor processor;
  processor.set_extent(size);
  return processor;
}

const std::vector<std::uint8_t>& samples_of(const Picture& picture) {
  return std::get<std::vector<std::uint8_t>>(picture.samples);
}

std::size_t colours(const Picture& picture) {
  std::set<std::array<std::uint8_t, 3>> seen;
  const std::vector<std::uint8_t>& samples = samples_of(picture);
  for (std::size_t i = 0; i + 2 < samples.size(); i += 3) seen.insert({samples[i], samples[i + 1], samples[i + 2]});
  return seen.size();
}

TEST(Overlay, ShowsTheMapBesideThePicture) {
  const RelevanceMap map{{2, 2}, {0.0, 0.0, 0.0, 1.0}};
  const Picture sheet = overlay_sheet(grey(64, 64, 120), map, processor_of({32, 32}), {"a.png"}, {"cat: 0.9"});
  EXPECT_EQ(sheet.channels, 3);
  EXPECT_GT(sheet.extent.width, sheet.extent.height);
  EXPECT_GT(colours(sheet), 100U);
}

TEST(Overlay, OfAnotherMapIsAnotherPictureAndTheSameOfTheSame) {
  const auto sheet = [](double first, double last) {
    return overlay_sheet(grey(40, 60, 90), {{1, 2}, {first, last}}, processor_of({8, 8}), {"a"}, {"b"});
  };
  EXPECT_EQ(samples_of(sheet(1.0, 0.0)), samples_of(sheet(1.0, 0.0)));
  EXPECT_NE(samples_of(sheet(1.0, 0.0)), samples_of(sheet(0.0, 1.0)));
}

// A map in which nothing is marked leaves the picture; the bar stays.
TEST(Overlay, OfNothingMarkedLeavesThePicture) {
  const Picture none = overlay_sheet(grey(320, 320, 90), {{1, 1}, {0.0}}, processor_of({8, 8}), {"a"}, {"b"});
  const Picture some = overlay_sheet(grey(320, 320, 90), {{1, 1}, {1.0}}, processor_of({8, 8}), {"a"}, {"b"});
  const auto grey_pixels = [](const Picture& picture) {
    std::size_t count = 0;
    const std::vector<std::uint8_t>& samples = samples_of(picture);
    for (std::size_t i = 0; i + 2 < samples.size(); i += 3)
      count += samples[i] == 90 && samples[i + 1] == 90 && samples[i + 2] == 90 ? 1 : 0;
    return count;
  };
  EXPECT_GE(grey_pixels(none), 2U * 320U * 320U);
  EXPECT_LT(grey_pixels(some), 2U * 320U * 320U);
}

// What the processor cuts off the model has not seen.
TEST(Overlay, DimsWhatIsCutOff) {
  ImageProcessor processor;
  processor.resize_rule = ResizeRule::shortest_edge;
  processor.edge = 8;
  processor.crop = {8, 8};
  const Picture sheet = overlay_sheet(grey(320, 640, 200), {{1, 1}, {0.0}}, processor, {"a"}, {"b"});
  std::size_t dimmed = 0;
  const std::vector<std::uint8_t>& samples = samples_of(sheet);
  for (std::size_t i = 0; i + 2 < samples.size(); i += 3)
    dimmed += samples[i] == 70 && samples[i + 1] == 70 && samples[i + 2] == 70 ? 1 : 0;
  EXPECT_EQ(dimmed, 320U * 320U);
}

}  // namespace
}  // namespace temper

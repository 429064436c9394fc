#include "data/images/augmentation.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/counter_random.h"
#include "base/error.h"
#include "data/images/colour.h"
#include "data/images/colour_changes.h"
#include "data/images/geometry.h"
#include "data/images/picture_draw.h"
#include "data/images/rand_augment.h"

namespace temper {
namespace {

/// How often torchvision draws a rectangle before it gives up.
constexpr int kTries = 10;

double between(CounterRandom& random, const std::array<double, 2>& range) {
  return range[0] + (range[1] - range[0]) * random.uniform();
}

/// Ratios are drawn on a scale of logarithms, so that 3:4 is as likely as 4:3.
double ratio_between(CounterRandom& random, const std::array<double, 2>& range) {
  return std::exp(between(random, {std::log(range[0]), std::log(range[1])}));
}

std::int64_t below(CounterRandom& random, std::int64_t bound) {
  return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(bound)));
}

std::int64_t rounded(double value) { return static_cast<std::int64_t>(std::nearbyint(value)); }

/// Of pictures that no drawn rectangle fits into: the largest of an allowed ratio in the middle.
PixelRectangle middle_rectangle(ImageExtent extent, const std::array<double, 2>& ratios) {
  const double ratio = static_cast<double>(extent.width) / static_cast<double>(extent.height);
  ImageExtent kept = extent;
  if (ratio < ratios[0])
    kept.height = rounded(static_cast<double>(extent.width) / ratios[0]);
  else if (ratio > ratios[1])
    kept.width = rounded(static_cast<double>(extent.height) * ratios[1]);
  kept.height = std::clamp(kept.height, std::int64_t{1}, extent.height);
  kept.width = std::clamp(kept.width, std::int64_t{1}, extent.width);
  return {(extent.height - kept.height) / 2, (extent.width - kept.width) / 2, kept};
}

PixelRectangle draw_crop(CounterRandom random, ImageExtent extent, const AugmentationSettings& settings) {
  const auto area = static_cast<double>(extent.pixels());
  for (int i = 0; i < kTries; ++i) {
    const double target = area * between(random, settings.crop_scale);
    const double ratio = ratio_between(random, settings.crop_ratio);
    const ImageExtent kept{rounded(std::sqrt(target / ratio)), rounded(std::sqrt(target * ratio))};
    if (kept.height < 1 || kept.width < 1 || kept.height > extent.height || kept.width > extent.width) continue;
    const std::int64_t top = below(random, extent.height - kept.height + 1);
    return {top, below(random, extent.width - kept.width + 1), kept};
  }
  return middle_rectangle(extent, settings.crop_ratio);
}

std::optional<PixelRectangle> draw_erasing(CounterRandom random, ImageExtent extent,
                                           const AugmentationSettings& settings) {
  if (random.uniform() >= settings.erasing) return std::nullopt;
  const auto area = static_cast<double>(extent.pixels());
  for (int i = 0; i < kTries; ++i) {
    const double target = area * between(random, settings.erasing_scale);
    const double ratio = ratio_between(random, settings.erasing_ratio);
    const ImageExtent erased{rounded(std::sqrt(target * ratio)), rounded(std::sqrt(target / ratio))};
    if (erased.height >= extent.height || erased.width >= extent.width || erased.pixels() == 0) continue;
    const std::int64_t top = below(random, extent.height - erased.height + 1);
    return PixelRectangle{top, below(random, extent.width - erased.width + 1), erased};
  }
  return std::nullopt;
}

/// The sample of a channel that normalising makes 0, as far as the type has it.
double mean_sample(const ImageProcessor& processor, std::int64_t channel) {
  if (processor.mean.empty()) return 0.0;
  const auto last = static_cast<std::int64_t>(processor.mean.size()) - 1;
  return std::clamp(processor.mean[static_cast<std::size_t>(std::min(channel, last))] / processor.scale, 0.0, 255.0);
}

void erase(Picture& picture, const PixelRectangle& erased, const ImageProcessor& processor) {
  std::visit(
      [&](auto& samples) {
        using Sample = typename std::decay_t<decltype(samples)>::value_type;
        for (std::int64_t row = erased.top; row < erased.top + erased.extent.height; ++row) {
          Sample* to = samples.data() + (row * picture.extent.width + erased.left) * picture.channels;
          for (std::int64_t i = 0; i < erased.extent.width * picture.channels; ++i) {
            const double value = mean_sample(processor, i % picture.channels);
            to[i] = static_cast<Sample>(std::is_integral_v<Sample> ? std::floor(value + 0.5) : value);
          }
        }
      },
      picture.samples);
}

/// Brightness, contrast and saturation in a random order.
Picture jittered(Picture picture, const AugmentationSettings& settings, CounterRandom random) {
  using Change = Picture (*)(const Picture&, double);
  std::array<std::pair<Change, double>, 3> changes = {std::pair<Change, double>{with_brightness, settings.brightness},
                                                      {with_contrast, settings.contrast},
                                                      {with_saturation, settings.saturation}};
  // Each draws, whether it is on or not, so that one does not change the others.
  for (std::size_t last = changes.size() - 1; last > 0; --last)
    std::swap(changes[last], changes[random.below(last + 1)]);
  for (const auto& [change, strength] : changes) {
    const double factor = between(random, {std::max(0.0, 1.0 - strength), 1.0 + strength});
    if (strength > 0.0) picture = change(picture, factor);
  }
  return picture;
}

void check_range(const std::array<double, 2>& range, double most, std::string_view prefix, std::string_view key) {
  if (!(range[0] > 0.0 && range[0] <= range[1] && range[1] <= most))
    throw usage_error("{}{} is [{}, {}], expected two numbers above 0, the smaller one first{}", prefix, key, range[0],
                      range[1], most < 2.0 ? ", at most 1" : "");
}

void check_number(double value, double most, std::string_view prefix, std::string_view key) {
  if (!(value >= 0.0 && value <= most)) throw usage_error("{}{} is {}, expected 0 to {}", prefix, key, value, most);
}

}  // namespace

bool AugmentationSettings::changes_pictures() const {
  return resized_crop || crop_padding > 0 || horizontal_flip > 0.0 || vertical_flip > 0.0 || rotation > 0.0 ||
         rand_augment_operations > 0 || brightness > 0.0 || contrast > 0.0 || saturation > 0.0 || erasing > 0.0;
}

void check_augmentation(const AugmentationSettings& settings, std::string_view prefix) {
  check_range(settings.crop_scale, 1.0, prefix, "crop_scale");
  check_range(settings.crop_ratio, 1e3, prefix, "crop_ratio");
  check_range(settings.erasing_scale, 1.0, prefix, "erasing_scale");
  check_range(settings.erasing_ratio, 1e3, prefix, "erasing_ratio");
  check_number(static_cast<double>(settings.crop_padding), 4096.0, prefix, "crop_padding");
  check_number(settings.horizontal_flip, 1.0, prefix, "horizontal_flip");
  check_number(settings.vertical_flip, 1.0, prefix, "vertical_flip");
  check_number(settings.rotation, 180.0, prefix, "rotation");
  check_number(static_cast<double>(settings.rand_augment_operations), 100.0, prefix, "rand_augment_operations");
  check_number(static_cast<double>(settings.rand_augment_magnitude), static_cast<double>(kStrongestRandAugment), prefix,
               "rand_augment_magnitude");
  check_number(settings.brightness, 10.0, prefix, "brightness");
  check_number(settings.contrast, 10.0, prefix, "contrast");
  check_number(settings.saturation, 10.0, prefix, "saturation");
  check_number(settings.erasing, 1.0, prefix, "erasing");
  check_number(settings.mixup, 100.0, prefix, "mixup");
  check_number(settings.cutmix, 100.0, prefix, "cutmix");
}

Picture augment(const Picture& picture, const AugmentationSettings& settings, const ImageProcessor& processor,
                const ExampleDraw& draw) {
  const auto random = [&](PictureDraw purpose) { return random_for(draw, purpose); };
  const ImageExtent extent = processor.extent();
  Picture made = settings.resized_crop ? resized_crop(in_byte_range(picture),
                                                      draw_crop(random(PictureDraw::crop), picture.extent, settings),
                                                      extent, processor.filter)
                                       : fitted(picture, processor);
  if (settings.crop_padding > 0) {
    CounterRandom place = random(PictureDraw::padding);
    const std::int64_t top = below(place, 2 * settings.crop_padding + 1) - settings.crop_padding;
    made = crop(made, {top, below(place, 2 * settings.crop_padding + 1) - settings.crop_padding, extent});
  }
  if (random(PictureDraw::horizontal_flip).uniform() < settings.horizontal_flip) made = mirrored(made);
  if (random(PictureDraw::vertical_flip).uniform() < settings.vertical_flip) made = upside_down(made);
  if (settings.rotation > 0.0) {
    CounterRandom angle = random(PictureDraw::rotation);
    made = transformed(made, rotation_map(extent, between(angle, {-settings.rotation, settings.rotation})),
                       Sampling::bilinear);
  }
  if (settings.rand_augment_operations > 0) {
    CounterRandom operations = random(PictureDraw::rand_augment);
    made =
        rand_augmented(std::move(made), settings.rand_augment_operations, settings.rand_augment_magnitude, operations);
  }
  if (settings.brightness > 0.0 || settings.contrast > 0.0 || settings.saturation > 0.0)
    made = jittered(std::move(made), settings, random(PictureDraw::colours));
  if (const auto erased = draw_erasing(random(PictureDraw::erasing), extent, settings)) erase(made, *erased, processor);
  return made;
}

}  // namespace temper

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <utility>

#include "base/counter_random.h"
#include "base/error.h"
#include "data/images/augmentation.h"
#include "data/images/picture_draw.h"

namespace temper {
namespace {

/// The logarithm of a number of the Gamma distribution (Marsaglia and Tsang, "A simple method for generating gamma
/// variables", 2000); of shapes below 1 the number itself may be too small for a double.
double logarithm_of_gamma(CounterRandom& random, double shape) {
  if (shape < 1.0) return logarithm_of_gamma(random, shape + 1.0) + std::log(1.0 - random.uniform()) / shape;
  const double d = shape - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  while (true) {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - random.uniform()));
    const double normal = radius * std::cos(2.0 * std::numbers::pi * random.uniform());
    const double v = std::pow(1.0 + c * normal, 3.0);
    const double u = 1.0 - random.uniform();
    if (1.0 + c * normal > 0.0 && std::log(u) < 0.5 * normal * normal + d - d * v + d * std::log(v))
      return std::log(d) + std::log(v);
  }
}

/// Of the Beta distribution with both parameters alike, to 16 bits: what mathematical libraries round differently does
/// not show.
double draw_beta(CounterRandom& random, double alpha) {
  const double first = logarithm_of_gamma(random, alpha);
  const double second = logarithm_of_gamma(random, alpha);
  return std::nearbyint(65536.0 / (1.0 + std::exp(second - first))) / 65536.0;
}

/// A rectangle of 1 - kept of the area around a drawn place, cut off at the edges.
PixelRectangle draw_replaced(CounterRandom& random, double kept, ImageExtent extent) {
  const double half = 0.5 * std::sqrt(1.0 - kept);
  const auto interval = [&](std::int64_t side) {
    const auto middle = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(side)));
    const auto reach = static_cast<std::int64_t>(half * static_cast<double>(side));
    return std::pair{std::max(middle - reach, std::int64_t{0}), std::min(middle + reach, side)};
  };
  const auto [left, right] = interval(extent.width);
  const auto [top, bottom] = interval(extent.height);
  return {top, left, {bottom - top, right - left}};
}

}  // namespace

Mixing draw_mixing(const AugmentationSettings& settings, const ExampleDraw& draw, std::int64_t rows,
                   ImageExtent extent) {
  Mixing mixing;
  if (!settings.mixes() || rows < 1 || extent.pixels() == 0) return mixing;
  CounterRandom random = random_for(draw, PictureDraw::mixing);
  mixing.partner = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(rows)));
  const bool cuts = settings.cutmix > 0.0 && (settings.mixup == 0.0 || random.below(2) == 1);
  const double kept = draw_beta(random, cuts ? settings.cutmix : settings.mixup);
  if (!cuts) {
    mixing.kind = Mixing::Kind::mixup;
    mixing.weight = static_cast<float>(kept);
    return mixing;
  }
  mixing.kind = Mixing::Kind::cutmix;
  mixing.replaced = draw_replaced(random, kept, extent);
  mixing.weight = 1.0F - static_cast<float>(mixing.replaced.extent.pixels()) / static_cast<float>(extent.pixels());
  return mixing;
}

void mix_pixels(std::span<float> pixels, std::span<const float> partner, const Mixing& mixing, ImageExtent extent,
                std::int64_t channels) {
  if (pixels.size() != partner.size() || std::cmp_not_equal(pixels.size(), extent.pixels() * channels))
    throw Error("{} values were to be mixed with {}, expected {} of both", pixels.size(), partner.size(),
                extent.pixels() * channels);
  if (mixing.kind == Mixing::Kind::mixup) {
    for (std::size_t i = 0; i < pixels.size(); ++i)
      pixels[i] = mixing.weight * pixels[i] + (1.0F - mixing.weight) * partner[i];
  }
  if (mixing.kind != Mixing::Kind::cutmix) return;
  const PixelRectangle& replaced = mixing.replaced;
  for (std::int64_t row = replaced.top; row < replaced.top + replaced.extent.height; ++row) {
    const std::int64_t first = (row * extent.width + replaced.left) * channels;
    std::copy_n(partner.begin() + first, replaced.extent.width * channels, pixels.begin() + first);
  }
}

}  // namespace temper

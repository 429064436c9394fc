// Distorting pictures for training. What is drawn for a picture is a pure function of (seed, epoch, example), so it
// depends neither on the batch, nor on the rank, nor on where a run was resumed. Each operation is torchvision's of the
// same name, as it works on pictures of Pillow; only the random numbers are others.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "data/images/image_processor.h"
#include "data/pictures/picture.h"

namespace temper {

/// In the order in which they are done. Zero, or false, leaves an operation out.
struct AugmentationSettings {
  /// RandomResizedCrop: a rectangle of this share of the area and this ratio of width to height is resized to what the
  /// model sees. Else the picture is fitted as in an evaluation.
  bool resized_crop = false;
  std::array<double, 2> crop_scale = {0.08, 1.0};
  std::array<double, 2> crop_ratio = {3.0 / 4.0, 4.0 / 3.0};
  /// RandomCrop: pixels of black around it, of which a random place of the old size is kept.
  std::int64_t crop_padding = 0;
  double horizontal_flip = 0.0;  ///< probability
  double vertical_flip = 0.0;    ///< probability
  double rotation = 0.0;         ///< up to so many degrees either way, bilinear, corners black
  /// RandAugment: so many operations, drawn from 14 with replacement (Cubuk et al., 2020), of this strength out of 30.
  std::int64_t rand_augment_operations = 0;
  std::int64_t rand_augment_magnitude = 9;
  /// ColorJitter: factors of 1 - x to 1 + x, in random order.
  double brightness = 0.0;
  double contrast = 0.0;
  double saturation = 0.0;
  /// RandomErasing: the probability that a rectangle becomes the processor's mean, which is 0 after normalising.
  double erasing = 0.0;
  std::array<double, 2> erasing_scale = {0.02, 0.33};
  std::array<double, 2> erasing_ratio = {0.3, 3.3};
  /// The parameter of the Beta distribution from which mixup (Zhang et al., 2018) and cutmix (Yun et al., 2019) draw
  /// the share of the other picture; where both are set, each example gets one of them, drawn with equal probability.
  double mixup = 0.0;
  double cutmix = 0.0;

  [[nodiscard]] bool changes_pictures() const;
  [[nodiscard]] bool mixes() const { return mixup > 0.0 || cutmix > 0.0; }
};

/// Throws Error (usage) with the key's name, under `prefix` ("augment."), for a value outside of its range.
void check_augmentation(const AugmentationSettings& settings, std::string_view prefix);

/// What random numbers are drawn for.
struct ExampleDraw {
  std::uint64_t seed = 0;
  std::int64_t epoch = 0;
  std::uint32_t example = 0;
};

/// The picture as training sees it: of processor.extent(), distorted, in_byte_range (colour.h); for normalize_pixels,
/// and to look at.
Picture augment(const Picture& picture, const AugmentationSettings& settings, const ImageProcessor& processor,
                const ExampleDraw& draw);

/// Another example of which one gets a part.
struct Mixing {
  enum class Kind : std::uint8_t { none, mixup, cutmix };
  Kind kind = Kind::none;
  std::int64_t partner = 0;  ///< row of 0 to rows - 1 of the source
  float weight = 1.0F;       ///< that the example's own label keeps; the partner's has 1 - weight
  PixelRectangle replaced;   ///< of cutmix: what the partner's pixels replace
};

/// With whom an example is mixed, and how: a function of the draw alone, so that it does not matter who is in a batch.
Mixing draw_mixing(const AugmentationSettings& settings, const ExampleDraw& draw, std::int64_t rows,
                   ImageExtent extent);

/// Mixes values of the partner, distorted under its own draw, into `pixels`; both [height, width, channels].
void mix_pixels(std::span<float> pixels, std::span<const float> partner, const Mixing& mixing, ImageExtent extent,
                std::int64_t channels);

/// How else a picture is looked at in a prediction, whose probabilities are averaged over its views.
enum class PictureView : std::uint8_t {
  whole,
  flipped,  ///< left and right
  top_left,
  top_right,
  bottom_left,
  bottom_right,
  centre,
};

/// "none": whole; "flip": whole and flipped; "five-crops": corners and centre. Throws Error (usage) for another name.
std::vector<PictureView> test_time_views(std::string_view name);

/// The picture in that view, of processor.extent(). Corners are of the picture as it is before the processor crops its
/// middle; a processor that does not crop resizes to 8/7 of its size for them, as 256 pixels are resized for 224.
Picture viewed(const Picture& picture, const ImageProcessor& processor, PictureView view);

}  // namespace temper

// Resizing as Pillow's Image.resize does it: each output sample is a weighted sum of the samples under a filter that is
// as wide as the output's pixels are, first along lines, then along columns.
//
// Of 8 bits the result is Pillow's to the bit: weights are fixed-point numbers of 22 bits, sums are whole, and between
// the two passes samples are rounded to 8 bits. Of 16 bits and of floats, weights and sums are f32, which are added in
// one order on every instruction set.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "base/image_extent.h"
#include "data/pictures/picture.h"

namespace temper {

/// With the numbers that Pillow and preprocessor_config.json give them.
enum class ResizeFilter : std::uint8_t { nearest = 0, lanczos = 1, bilinear = 2, bicubic = 3, box = 4, hamming = 5 };

/// A rectangle of whole pixels; it may lie partly outside where the function that takes it says so.
struct PixelRectangle {
  std::int64_t top = 0;
  std::int64_t left = 0;
  ImageExtent extent;

  friend bool operator==(const PixelRectangle&, const PixelRectangle&) = default;
};

/// A rectangle whose edges may lie within pixels, in pixels from the top left corner.
struct PixelBox {
  float left = 0.0F;
  float top = 0.0F;
  float right = 0.0F;
  float bottom = 0.0F;
};

/// The picture, or what `box` shows of it, in another size; samples outside the box count near its edges, as in Pillow.
/// Throws Error for a size or a box without pixels, and for a box that leaves the picture.
Picture resize(const Picture& picture, ImageExtent extent, ResizeFilter filter, std::optional<PixelBox> box = {});

/// `part` of resize(picture, extent, filter), which is all that is computed; where it lies outside, `black`.
Picture resized_part(const Picture& picture, ImageExtent extent, ResizeFilter filter, const PixelRectangle& part);

/// The same of a picture of bytes, a line after the other: calls `use` with each row of the part, from 0 on, and its
/// samples, which are gone when it returns. No picture is made. Throws Error as resized_part, and for other samples.
void for_each_resized_line(const Picture& picture, ImageExtent extent, ResizeFilter filter, const PixelRectangle& part,
                           const std::function<void(std::int64_t row, std::span<const std::uint8_t> line)>& use);

/// resize(crop(picture, from), extent, filter): no sample outside `from` counts. Throws Error where it lies outside.
Picture resized_crop(const Picture& picture, const PixelRectangle& from, ImageExtent extent, ResizeFilter filter);

/// The samples of a rectangle; where it lies outside of the picture, `black`.
Picture crop(const Picture& picture, const PixelRectangle& from);

}  // namespace temper

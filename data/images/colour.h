// Channels of a picture.
#pragma once

#include <cstdint>

#include "data/pictures/picture.h"

namespace temper {

/// What red, green and blue count for the eye, of 65536 (ITU-R BT.601-7, as Pillow has it in whole numbers).
inline constexpr std::int64_t kRedWeight = 19595;
inline constexpr std::int64_t kGreenWeight = 38470;
inline constexpr std::int64_t kBlueWeight = 7471;

/// The grey of a pixel: of bytes Pillow's, rounded; of floats in f32.
constexpr std::uint8_t grey_of(std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  return static_cast<std::uint8_t>((red * kRedWeight + green * kGreenWeight + blue * kBlueWeight + 0x8000) >> 16);
}
constexpr std::uint16_t grey_of(std::uint16_t red, std::uint16_t green, std::uint16_t blue) {
  return static_cast<std::uint16_t>((red * kRedWeight + green * kGreenWeight + blue * kBlueWeight + 0x8000) >> 16);
}
constexpr float grey_of(float red, float green, float blue) {
  return (red * static_cast<float>(kRedWeight) + green * static_cast<float>(kGreenWeight) +
          blue * static_cast<float>(kBlueWeight)) /
         65536.0F;
}

/// One channel; a grey picture as it is.
Picture grey_picture(const Picture& picture);

/// Three channels; those of a grey picture are equal.
Picture rgb_picture(const Picture& picture);

/// The picture with 0 as black and 255 as white: bytes that have these stay bytes, all others become floats. What lies
/// beyond black and white is moved there, as a window does, and a sample that is no number is black.
Picture in_byte_range(const Picture& picture);

/// Bytes whose 0 is the picture's black and whose 255 is its white, rounded: for screens, and for people.
Picture byte_picture(const Picture& picture);

}  // namespace temper

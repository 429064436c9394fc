// A picture in memory, as its file has it: the samples in their own type and range, so that nothing of 16 bits or of a
// scanner's units is lost before somebody decides what is black and what is white.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/image_extent.h"

namespace temper {

struct Picture {
  ImageExtent extent;
  std::int64_t channels = 1;  ///< 1: grey; 3: red, green, blue
  /// [height, width, channels]
  std::variant<std::vector<std::uint8_t>, std::vector<std::uint16_t>, std::vector<float>> samples;
  /// The samples that stand for 0 and for 1: 0 and 255 of 8 bits, 0 and 65535 of 16; of a scanner's units the ends of
  /// the window, or of what the file can hold. Samples beyond them are not cut off here; none is NaN or infinite.
  float black = 0.0F;
  float white = 255.0F;

  [[nodiscard]] std::int64_t values() const { return extent.pixels() * channels; }
};

/// What a file says of its picture, for the table of facts of a data set and for what must not be mixed.
struct PictureFacts {
  std::string format;           ///< "PNG", "JPEG", "TIFF", "DICOM", "NIfTI"
  ImageExtent extent = {};      ///< as stored, before EXIF turned it
  std::int64_t channels = 1;    ///< as stored: 4 with alpha or CMYK, 1 of a palette
  int bits = 8;                 ///< of a sample, that count; of a palette's colours
  bool is_signed = false;       ///< integers below zero can be stored
  bool is_float = false;        ///< floating-point numbers are stored
  bool inverted = false;        ///< stored with white as the lowest value, and turned over when it was read
  std::int64_t frames = 1;      ///< frames, pages, or slices along the axis that was asked for
  int orientation = 1;          ///< of EXIF, 1 to 8, 1: as it lies; the picture is turned when it is read
  std::string named_as;         ///< the format that the file's name says, where its content is of another; else empty
  std::int64_t not_finite = 0;  ///< samples that were NaN or infinite and became black or white; known once decoded
};

}  // namespace temper

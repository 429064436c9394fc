// What the readers of the formats share. Each has two functions: what the header says, and all of it. Files are
// hostile: no memory is taken for what a header says before the limit was compared, and no length is believed.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "data/pictures/decode.h"

namespace temper {

/// What to do about a picture that is above the limit.
inline constexpr const char* kSmallerOrOther =
    "raise images.most_megapixels (--most-megapixels), make it smaller, or take it out of the data";

/// "400", "0.06": in the unit of the limit.
std::string megapixels(std::int64_t pixels);

/// A file's bytes, and what messages call it.
struct PictureFile {
  std::span<const std::byte> bytes;
  std::string called;       ///< its path; where its name says another format, with what it is in truth
  std::string_view format;  ///< "PNG"

  [[nodiscard]] const std::uint8_t* data() const { return reinterpret_cast<const std::uint8_t*>(bytes.data()); }

  /// The reason follows the file and its format: "is cut short after 120 bytes".
  [[nodiscard]] Error damaged(std::string_view reason) const {
    return Error("{}: the {} file {}; copy or download it again", called, format, reason);
  }
  /// The remedy follows what was found.
  [[nodiscard]] Error refused(std::string_view found, std::string_view remedy) const {
    return Error("{}: the {} file {}; {}", called, format, found, remedy);
  }

  /// Throws Error for a picture without pixels, or of more than the limit.
  void check_extent(const ImageExtent& extent, const DecodeOptions& options) const;
  /// The frame that is to be read, of `frames` ("pages", "frames"): the one that was asked for, or the only one.
  /// Throws Error where there are several and none was named, and for one that is not there.
  [[nodiscard]] std::int64_t frame(std::int64_t frames, std::string_view called_frames,
                                   const DecodeOptions& options) const;
};

PictureFacts png_facts(const PictureFile& file, const DecodeOptions& options);
DecodedPicture read_png(const PictureFile& file, const DecodeOptions& options);
PictureFacts jpeg_facts(const PictureFile& file, const DecodeOptions& options);
DecodedPicture read_jpeg(const PictureFile& file, const DecodeOptions& options);
PictureFacts tiff_facts(const PictureFile& file, const DecodeOptions& options);
DecodedPicture read_tiff(const PictureFile& file, const DecodeOptions& options);
PictureFacts dicom_facts(const PictureFile& file, const DecodeOptions& options);
DecodedPicture read_dicom(const PictureFile& file, const DecodeOptions& options);
PictureFacts nifti_facts(const PictureFile& file, const DecodeOptions& options);
DecodedPicture read_nifti(const PictureFile& file, const DecodeOptions& options);

/// The lowest and the highest of the values that came so far; infinite ones and NaN do not count.
struct ValueRange {
  float lowest = std::numeric_limits<float>::infinity();
  float highest = -std::numeric_limits<float>::infinity();

  void add(float value) {
    if (!std::isfinite(value)) return;
    if (value < lowest) lowest = value;
    if (value > highest) highest = value;
  }
  [[nodiscard]] bool empty() const { return !(lowest <= highest); }
};

}  // namespace temper

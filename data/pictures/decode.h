// Files to pictures: PNG, JPEG, TIFF, DICOM and NIfTI. The format is found by the content, never by the name.
//
// What every format has in common: alpha is dropped, as Pillow's convert("RGB") does, and colours are not converted by
// the ICC profile; a palette becomes red, green and blue; EXIF's orientation is applied; white as the lowest value is
// turned over. What has 16 bits keeps them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "data/pictures/picture.h"

namespace temper {

/// What is black and what is white, in the units that the file's values have after its slope and intercept.
struct PictureWindow {
  double centre = 0.0;
  double width = 0.0;  ///< above 0
};

struct DecodeOptions {
  /// Height * width that a picture may have, whatever its channels; refused from its header, before memory is taken.
  std::int64_t most_pixels = 256'000'000;
  /// Which frame of a DICOM file, page of a TIFF file or volume (fourth axis) of a NIfTI file, from 0. Empty: the only
  /// one; a file that has several is then refused.
  std::optional<std::int64_t> frame;
  /// NIfTI: the axis that is cut, 0 to 2 as the file stores them (not turned by its affine), and the index of the slice
  /// on it, from 0; empty: the middle one. Of the two axes that are left, the first runs along the
  /// picture's rows, the second down: nibabel's data[:, :, slice].T for axis 2.
  int axis = 2;
  std::optional<std::int64_t> slice;
  /// Instead of what the file says is black and white, a table (VOI LUT) included. In DICOM it follows the file's VOI
  /// LUT function (PS3.3, C.11.2.1.2 and C.11.2.1.3), elsewhere black is centre - width / 2 and white is centre + width
  /// / 2.
  std::optional<PictureWindow> window;
};

struct DecodedPicture {
  Picture picture;
  PictureFacts facts;
};

/// The picture in a file's bytes; `name`, its path, stands for it in messages, and its ending is compared with the
/// content. Can be called from several threads. What is black and white, where there is no window in the options:
/// - PNG, JPEG and integers in TIFF: the lowest and the highest number that their bits can hold, or TIFF's
///   SMinSampleValue and SMaxSampleValue;
/// - floats in TIFF: these two, else 0 and 1, or of a picture that goes beyond them its lowest and highest value;
/// - DICOM: the first window of the file, else its first table of grey values (VOI LUT), else the ends of what its
///   stored bits, or its table of values (modality LUT), can hold, so that one value is as bright in every picture of a
///   set. By the standard's order, slope and intercept or the modality LUT come first, then window or VOI LUT, then
///   polarity: MONOCHROME1 is reflected in the window. Of the function SIGMOID samples are those between 0 and 1 that
///   it gives;
/// - NIfTI: cal_min and cal_max where they are set, else the lowest and highest value of the volume.
/// Throws Error for content that is none of these formats, is cut short or damaged, is larger than the limit, has other
/// than 1, 3 or 4 channels, or has several frames where none is named.
DecodedPicture decode_picture(std::span<const std::byte> file, const std::string& name,
                              const DecodeOptions& options = {});

/// What the header says, without the pixels. Throws Error as decode_picture does for what shows in the header, but not
/// for several frames.
PictureFacts picture_facts(std::span<const std::byte> file, const std::string& name, const DecodeOptions& options = {});

}  // namespace temper

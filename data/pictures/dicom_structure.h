// What is looked at in a DICOM file before DCMTK reads it, which takes memory for any length and calls itself for each
// sequence in a sequence; and in the JPEG data inside.
#pragma once

#include <cstddef>
#include <span>

#include "base/image_extent.h"

namespace temper {

struct PictureFile;

/// Walks through the elements (PS3.5, chapter 7). Throws Error where one is longer than what is left of the file, for
/// sequences that lie deeper in each other than 64, and for a data set that is compressed as a whole (deflated).
void check_dicom_structure(const PictureFile& file);

struct JpegSize {
  bool found = false;
  ImageExtent extent;
  int channels = 0;
  int bits = 0;
};

/// What the frame header of a JPEG stream says (ITU-T T.81, B.2.2). Not found: the bytes are no JPEG, or end before.
JpegSize jpeg_size(std::span<const std::byte> bytes);

/// Whether the header of a run-length encoded frame (PS3.5, annex G) names 1 to 15 segments that follow each other
/// inside the frame: DCMTK 3.6.7 reads wherever the header leads.
bool is_sound_run_length_header(std::span<const std::byte> frame);

}  // namespace temper

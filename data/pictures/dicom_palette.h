// The palette of a DICOM picture whose samples are numbers of colours (PS3.3 of the standard, C.7.6.3.1.5 and 6).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "data/pictures/picture.h"
#include "data/pictures/readers.h"

class DcmItem;

namespace temper {

struct DicomPalette {
  std::int64_t first = 0;  ///< the stored value whose colour is the first; what is below has it, too
  int bits = 8;            ///< of a colour: 8 or 16
  std::array<std::vector<std::uint16_t>, 3> channels = {};  ///< equally many colours of red, green and blue, at least 1

  /// The colours of the values that `stored(pixel)` gives; values above the last colour have that.
  [[nodiscard]] Picture picture(ImageExtent extent, const std::function<std::int64_t(std::size_t pixel)>& stored) const;
};

/// Throws Error for a data set without a palette, one in segments, and one that contradicts itself.
DicomPalette read_dicom_palette(DcmItem& data, const PictureFile& file);

}  // namespace temper

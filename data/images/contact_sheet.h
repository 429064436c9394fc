// Pictures with words beneath, on one picture: to look at what a data set holds, at what augmentation does, at
// mistakes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/pictures/picture.h"

namespace temper {

struct ContactSheetCell {
  /// One or more, beneath each other: before, after. Each is shown whole, in its proportions, black as black and white
  /// as white.
  std::vector<Picture> pictures;
  /// Lines beneath; of what is too long the middle is left out, and letters beyond ASCII are drawn as the ASCII ones
  /// that stand for them (drawable() of bitmap_font.h), others as boxes.
  std::vector<std::string> words;
};

struct ContactSheetLayout {
  std::int64_t columns = 6;
  std::int64_t side = 192;             ///< pixels of a picture's longer edge at most
  bool resizes = true;                 ///< pictures to that side; else they keep their size, which it is not below
  std::vector<std::string> row_names;  ///< of a cell's pictures, written at the left of each: "before", "after"
  std::string title;
};

/// An RGB picture of 8 bits. Throws Error without cells, for a cell without a picture, for pictures that keep their
/// size and are larger than the side, and where it would have more than 2^28 pixels.
Picture contact_sheet(std::span<const ContactSheetCell> cells, const ContactSheetLayout& layout);

}  // namespace temper

// What a command line asks of pictures, over what a model or a configuration says of how they are read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/inputs/trained_use.h"

namespace temper {

struct PictureRequests {
  std::optional<std::int64_t> frame;
  std::string slice;   ///< "AXIS:INDEX", INDEX a number or "middle"; empty: not asked for
  std::string window;  ///< "CENTRE,WIDTH", or "file" for what the file says; empty: not asked for
  std::optional<std::int64_t> most_megapixels;
  bool skip_unreadable = false;

  /// Whether anything is asked for, be it to skip pictures.
  [[nodiscard]] bool any() const { return reading() || skip_unreadable; }
  /// Whether pictures are read in another way.
  [[nodiscard]] bool reading() const {
    return frame.has_value() || !slice.empty() || !window.empty() || most_megapixels.has_value();
  }
};

/// `known` with what is asked for. Throws a usage Error for a slice or window that is written otherwise.
ImageUse with_requests(ImageUse known, const PictureRequests& requests);

/// What that changed: "frame 3 instead of none (--frame)".
std::vector<std::string> differences(const ImageUse& known, const ImageUse& used);

}  // namespace temper

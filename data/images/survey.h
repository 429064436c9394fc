// What the pictures of a data set are: the facts that decide whether they mean the same to a model. A scanner's 16 bits
// read as 8, or a few negatives among positives, spoil a model without any error.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "data/diagnostics.h"
#include "data/images/image_processor.h"
#include "data/pictures/picture.h"

namespace temper {

class PictureSurvey {
 public:
  /// Of every file.
  void add(const std::string& file, const PictureFacts& facts);
  /// Of those that were decoded as well, a sample of the files: how their samples lie between black and white, and how
  /// many were no finite numbers.
  void add_samples(const Picture& picture, std::int64_t not_finite = 0);

  [[nodiscard]] std::int64_t files() const { return static_cast<std::int64_t>(extents_.size()); }
  /// What to tell the user of a set, a sentence each: formats, sizes, bits, channels, polarity, range and saturation.
  [[nodiscard]] std::vector<std::string> sentences() const;
  /// mixed_bits, mixed_polarity, mixed_channels: files of one set differ, with an example of each kind; saturated: more
  /// than a twentieth of the decoded samples are at white (at black there is often a background), their share;
  /// narrow_range: no decoded sample leaves an eighth of the range, the part that they fill; mislabelled: files whose
  /// names say another format than their content has; not_finite: decoded samples that were NaN or infinite.
  [[nodiscard]] std::vector<Finding> findings() const;
  /// cut_off: pictures of which the processor leaves more than a third of the area out, most often elongated ones whose
  /// middle it keeps; their share of the set. None: there are no such.
  [[nodiscard]] std::vector<Finding> cut_off(const ImageProcessor& processor) const;

 private:
  /// How many files, and the first of them.
  struct Group {
    std::int64_t files = 0;
    std::string example;
  };
  /// In the words that tell them apart: "8 bits", "16 bits".
  using Groups = std::map<std::string, Group>;

  Groups formats_;
  Groups bits_;
  Groups channels_;
  Groups polarities_;
  Groups frames_;
  Groups named_otherwise_;
  std::vector<ImageExtent> extents_;
  std::int64_t decoded_ = 0;
  double samples_ = 0.0;
  double at_black_ = 0.0;
  double at_white_ = 0.0;
  double lowest_ = 0.0;  ///< of the decoded samples, with black as 0 and white as 1
  double highest_ = 0.0;
  std::int64_t not_finite_ = 0;
};

}  // namespace temper

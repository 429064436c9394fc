// The pictures that a model is most sure of and wrong about: rare findings, wrong labels and bad pictures show there
// before any figure tells of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/images/image_source.h"
#include "data/pictures/picture.h"
#include "runtime/tasks/row_outputs.h"

namespace temper {

/// On a sheet.
inline constexpr std::size_t kMistakesShown = 24;

struct Mistake {
  std::int64_t row = 0;
  std::string truth;         ///< label; of several labels "no edema" where a row does not have it
  std::string prediction;    ///< likewise
  double probability = 0.0;  ///< of what was predicted
};

/// Rows whose most probable class is not theirs, and labels on the wrong side of 0.5, those of the highest probability
/// first, of equals the first rows; at most `most`. `labels` [columns].
std::vector<Mistake> worst_mistakes(const RowOutputs& outputs, const std::vector<std::string>& labels,
                                    std::size_t most);

/// Each with truth, prediction, probability and path beneath; those whose picture cannot be read are left out. Throws
/// Error where none is left.
Picture mistakes_sheet(const std::vector<Mistake>& mistakes, const ImageSource& images, const std::string& title);

}  // namespace temper

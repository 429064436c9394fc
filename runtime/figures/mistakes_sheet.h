// The pictures that a model is most sure of and wrong about: rare findings, wrong labels and bad pictures show there
// before any figure tells of them.
#pragma once

#include <cstdint>
#include <optional>
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
  std::int64_t column = 0;   ///< class that was predicted, or label that is meant
};

/// Rows whose most probable class is not theirs, and labels on the wrong side of 0.5, those of the highest probability
/// first, of equals the first rows. Thresholds that were chosen do not come into it. `labels` [columns].
std::vector<Mistake> all_mistakes(const RowOutputs& outputs, const std::vector<std::string>& labels);

/// The same without rows in whose place another picture was looked at, since their own cannot be read.
std::vector<Mistake> mistakes_of_own_pictures(std::vector<Mistake> mistakes, const ImageSource& images);

/// The rows, and what makes a mistake of one: "test rows, wrong by the most probable class".
std::string mistakes_title(const std::string& rows, const RowOutputs& outputs);

/// The first kMistakesShown whose picture can be read, each with truth, prediction, probability and path beneath;
/// nothing where there are none.
std::optional<Picture> mistakes_sheet(const std::vector<Mistake>& mistakes, const ImageSource& images,
                                      const std::string& title);

}  // namespace temper

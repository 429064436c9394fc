#include "runtime/figures/mistakes_sheet.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "data/images/colour.h"
#include "data/images/contact_sheet.h"

namespace temper {
namespace {

constexpr std::int64_t kColumnsOfSheet = 6;

/// Folder and name: what classes are called where folders are classes.
std::string short_path(const std::string& file) {
  const std::filesystem::path path(file);
  return (path.parent_path().filename() / path.filename()).generic_string();
}

}  // namespace

std::vector<Mistake> all_mistakes(const RowOutputs& outputs, const std::vector<std::string>& labels) {
  std::vector<Mistake> mistakes;
  for (std::int64_t row = 0; row < outputs.rows(); ++row) {
    if (!outputs.is_labelled(row)) continue;
    const std::vector<double> probabilities = outputs.probabilities(row);
    if (!outputs.several()) {
      const auto best = std::max_element(probabilities.begin(), probabilities.end()) - probabilities.begin();
      if (const std::int32_t truth = outputs.class_of(row); truth != best)
        mistakes.push_back({row, labels[static_cast<std::size_t>(truth)], labels[static_cast<std::size_t>(best)],
                            probabilities[static_cast<std::size_t>(best)], best});
      continue;
    }
    for (std::size_t label = 0; label < probabilities.size(); ++label) {
      const bool has_it = outputs.is_true(row, static_cast<std::int64_t>(label));
      const double p = probabilities[label];
      if ((p > 0.5) == has_it) continue;
      const std::string without = "no " + labels[label];
      mistakes.push_back({row, has_it ? labels[label] : without, has_it ? without : labels[label], has_it ? 1.0 - p : p,
                          static_cast<std::int64_t>(label)});
    }
  }
  std::stable_sort(mistakes.begin(), mistakes.end(),
                   [](const Mistake& a, const Mistake& b) { return a.probability > b.probability; });
  return mistakes;
}

std::vector<Mistake> mistakes_of_own_pictures(std::vector<Mistake> mistakes, const ImageSource& images) {
  std::erase_if(mistakes, [&](const Mistake& mistake) { return !images.stands_for_itself(mistake.row); });
  return mistakes;
}

std::string mistakes_title(const std::string& rows, const RowOutputs& outputs) {
  return fmt::format("{}, {}", rows,
                     outputs.several() ? "labels on the wrong side of 0.5" : "wrong by the most probable class");
}

std::optional<Picture> mistakes_sheet(const std::vector<Mistake>& mistakes, const ImageSource& images,
                                      const std::string& title) {
  std::vector<ContactSheetCell> cells;
  for (const Mistake& mistake : mistakes) {
    if (cells.size() == kMistakesShown) break;
    try {
      cells.push_back({{byte_picture(*images.picture(mistake.row))},
                       {"is " + mistake.truth, fmt::format("said {} {:.3f}", mistake.prediction, mistake.probability),
                        short_path(images.listed().files[static_cast<std::size_t>(mistake.row)])}});
    } catch (const Error&) {
      // It could be read when it was measured; that it no longer can be must not end a run that has been trained.
    }
  }
  if (cells.empty()) return std::nullopt;
  ContactSheetLayout layout;
  layout.columns = std::min(kColumnsOfSheet, static_cast<std::int64_t>(cells.size()));
  layout.title = title;
  return contact_sheet(cells, layout);
}

}  // namespace temper

#include "runtime/figures/mistakes_list.h"

#include "runtime/tasks/prediction_json.h"

namespace temper {

std::string mistakes_list(const std::vector<Mistake>& mistakes, const RowOutputs& outputs,
                          const std::vector<std::string>& labels, const Calibration* calibration,
                          std::span<const std::string> files) {
  std::string lines;
  for (const Mistake& mistake : mistakes) {
    PredictionJson json{{"image", files[static_cast<std::size_t>(mistake.row)]},
                        {"label", mistake.truth},
                        {"prediction", mistake.prediction},
                        {"probability", rounded_to_six_digits(mistake.probability)}};
    for (std::int64_t column = 0; calibration != nullptr && column < outputs.columns(); ++column) {
      if (outputs.several() && column != mistake.column) continue;
      const std::string& label = labels[static_cast<std::size_t>(column)];
      if (const ClassThresholds* thresholds = calibration->of(label); thresholds != nullptr)
        json["decisions"][label] = outputs.probability(mistake.row, column) >= thresholds->by(calibration->rule);
    }
    lines += json_line(json);
  }
  return lines;
}

}  // namespace temper

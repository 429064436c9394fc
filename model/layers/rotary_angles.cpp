#include "model/layers/rotary_angles.h"

#include <cmath>

namespace temper {

RotaryAngles rotary_angles(double theta, std::int64_t columns, RotaryPairs layout) {
  RotaryAngles angles;
  angles.layout = layout;
  for (std::int64_t i = 0; i + 1 < columns; i += 2) {
    const float exponent = static_cast<float>(i) / static_cast<float>(columns);
    const auto power = static_cast<float>(std::pow(theta, static_cast<double>(exponent)));
    angles.frequencies.push_back(1.0F / power);
  }
  return angles;
}

}  // namespace temper

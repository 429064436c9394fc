// What a configuration says of the update rule: its name, and the hyper-parameters of all rules. Each rule reads its
// own (UpdateRule::hyper_parameters).
#pragma once

#include <string>

namespace temper {

struct UpdateSettings {
  std::string rule = "adamw";
  double weight_decay = 0.01;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double momentum = 0.9;
  double decay_rate = 0.8;
  double clip_threshold = 1.0;
  bool scale_parameter = false;
};

}  // namespace temper

// Probabilities of outputs, in double precision: what predictions, measures and pictures all read.
#pragma once

#include <cmath>
#include <span>
#include <vector>

namespace temper {

/// [outputs] of one class among several; of logits divided by `temperature`, which is above 0.
std::vector<double> softmax(std::span<const float> logits, double temperature = 1.0);

/// Of a label by itself.
inline double sigmoid(double logit, double temperature = 1.0) { return 1.0 / (1.0 + std::exp(-logit / temperature)); }

}  // namespace temper

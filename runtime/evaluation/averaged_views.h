// Test-time augmentation: what a model makes of several views of each picture, as one.
#pragma once

#include <span>
#include <vector>

#include "model/loss.h"

namespace temper {

/// `views`: the outputs [rows, columns] of each view, at least one. Of classes the logarithm of the mean of their
/// probabilities, of labels the logit of the mean, of numbers the mean; in f64, in the order of the views.
std::vector<float> averaged_views(std::span<const std::vector<float>> views, std::size_t columns, LossKind loss);

}  // namespace temper

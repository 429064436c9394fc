#include "runtime/steps/finite_weights.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "tensor/host_copy.h"

namespace temper {

bool all_finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

std::string not_finite_weights(const Model& model, Device& device, const std::string& whose) {
  std::string sentence;
  model.for_each_value([&](const Parameter& parameter) {
    const HostCopy copy(device, parameter.variable.value());
    if (!all_finite(copy.values()))
      sentence = fmt::format("the weights '{}' of {} hold values that are not finite; download or save the model again",
                             parameter.name, whose);
    return sentence.empty();
  });
  return sentence;
}

void refuse_not_finite(const Model& model, Device& device, const std::string& what) {
  const std::string weights = not_finite_weights(model, device, "the model");
  throw Error("{} not finite; {}", what,
              weights.empty() ? "the weights of the model are: the data hold values that it cannot take" : weights);
}

}  // namespace temper

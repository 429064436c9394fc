#include "model/width_scaling.h"

#include <cmath>
#include <string>

#include "base/error.h"

namespace temper {
namespace {

enum class WidthRole : std::uint8_t { vector_like, hidden_matrix, last_norm };

std::string module_of(const Parameter& parameter) { return parameter.name.substr(0, parameter.name.rfind('.') + 1); }

/// The module of the norm before the head, with its dot: the last that a pass through the network meets.
std::string last_norm_of(const Model& model) {
  std::string module;
  for (const Parameter& parameter : model.parameters().all())
    if (parameter.role == ParameterRole::weight) module = module_of(parameter);
  for (const Parameter& parameter : model.parameters().all())
    if (parameter.role == ParameterRole::weight && module_of(parameter) == module && parameter.shape.dimensions() > 1)
      throw usage_error(
          "train.mup_base_width: before the head of this model stands {} and no norm, which would carry the output "
          "multiplier; set it to 0",
          parameter.name);
  return module;
}

/// [parameters]
std::vector<WidthRole> width_roles(const Model& model) {
  const std::string last_norm = last_norm_of(model);
  std::vector<WidthRole> roles;
  for (const Parameter& parameter : model.parameters().all()) {
    WidthRole role = WidthRole::vector_like;
    if (parameter.role == ParameterRole::weight && module_of(parameter) == last_norm) role = WidthRole::last_norm;
    if (parameter.role == ParameterRole::weight && parameter.stage > 0 && parameter.shape.dimensions() > 1)
      role = WidthRole::hidden_matrix;
    roles.push_back(role);
  }
  return roles;
}

}  // namespace

void scale_initialization(Model& model, std::int64_t base_width) {
  const double ratio = static_cast<double>(base_width) / static_cast<double>(model.width());
  const std::vector<WidthRole> roles = width_roles(model);
  std::size_t i = 0;
  for (Parameter& parameter : model.parameters().all()) {
    const WidthRole role = roles[i++];
    if (role == WidthRole::hidden_matrix) parameter.initialization.scale *= static_cast<float>(std::sqrt(ratio));
    if (role == WidthRole::last_norm) parameter.initialization.scale *= static_cast<float>(ratio);
  }
}

std::vector<double> width_rate_factors(const Model& model, std::int64_t base_width) {
  std::vector<double> factors;
  if (base_width == 0) return factors;
  const double ratio = static_cast<double>(base_width) / static_cast<double>(model.width());
  for (const WidthRole role : width_roles(model)) factors.push_back(role == WidthRole::vector_like ? 1.0 : ratio);
  return factors;
}

}  // namespace temper

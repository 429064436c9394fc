#include "model/parameter.h"

#include <algorithm>
#include <utility>

namespace temper {

Parameter& ParameterList::add(Parameter parameter) { return parameters_.emplace_back(std::move(parameter)); }

Parameter* ParameterList::find(const std::string& name) {
  const auto found =
      std::find_if(parameters_.begin(), parameters_.end(), [&](const Parameter& p) { return p.name == name; });
  return found == parameters_.end() ? nullptr : &*found;
}

const Parameter* ParameterList::find(const std::string& name) const {
  return const_cast<ParameterList*>(this)->find(name);
}

ParameterPlace ParameterPlace::within(const std::string& module) const {
  ParameterPlace inner = *this;
  inner.prefix += module + ".";
  return inner;
}

ParameterPlace ParameterPlace::drawing(Initialization weights_otherwise) const {
  ParameterPlace other = *this;
  other.weights = weights_otherwise;
  return other;
}

Variable ParameterPlace::add(const std::string& name, const Shape& shape, Initialization initialization,
                             std::optional<bool> decays) const {
  return list.add({prefix + name, shape, stage, role, initialization, decays.value_or(shape.dimensions() > 1)})
      .variable;
}

Variable ParameterPlace::add_matrix(const std::string& name, std::int64_t rows, std::int64_t columns) const {
  return list.add({prefix + name, {rows, columns}, stage, role, weights, true, true}).variable;
}

}  // namespace temper

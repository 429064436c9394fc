#include "model/parameter.h"

#include <algorithm>

namespace temper {

Parameter& ParameterList::add(std::string name, const Shape& shape, std::int64_t depth, bool head,
                              Initialization initialization) {
  return parameters_.emplace_back(Parameter{std::move(name), shape, depth, head, initialization, Variable(Tensor())});
}

Parameter* ParameterList::find(const std::string& name) {
  const auto found =
      std::find_if(parameters_.begin(), parameters_.end(), [&](const Parameter& p) { return p.name == name; });
  return found == parameters_.end() ? nullptr : &*found;
}

}  // namespace temper

#include "model/parameter.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/error.h"

namespace temper {

Parameter& ParameterList::add(Parameter parameter) { return parameters_.emplace_back(std::move(parameter)); }

void ParameterList::insert_behind(const std::string& name, std::vector<Parameter> added) {
  const auto found =
      std::find_if(parameters_.begin(), parameters_.end(), [&](const Parameter& p) { return p.name == name; });
  if (found == parameters_.end()) throw Error("there is no parameter '{}' to put others behind", name);
  parameters_.insert(std::next(found), std::make_move_iterator(added.begin()), std::make_move_iterator(added.end()));
}

void ParameterList::erase_adapters() {
  std::erase_if(parameters_, [](const Parameter& parameter) { return parameter.role == ParameterRole::adapter; });
}

std::shared_ptr<AdaptableModule> ParameterList::add_module(std::string name, AdaptableModule::Kind kind) {
  return modules_.emplace_back(std::make_shared<AdaptableModule>(AdaptableModule{std::move(name), kind}));
}

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
  return list
      .add({.name = prefix + name,
            .shape = shape,
            .stage = stage,
            .role = role,
            .initialization = initialization,
            .decays = decays.value_or(shape.dimensions() > 1)})
      .variable;
}

Variable ParameterPlace::add_matrix(const std::string& name, std::int64_t rows, std::int64_t columns) const {
  return list
      .add({.name = prefix + name,
            .shape = {rows, columns},
            .stage = stage,
            .role = role,
            .initialization = weights,
            .is_read_narrow = true})
      .variable;
}

Variable ParameterPlace::add_kernel(const std::string& name, std::int64_t out, std::int64_t in,
                                    const KernelExtent& kernel) const {
  return list
      .add({.name = prefix + name,
            .shape = kernel.is_depthwise ? Shape{kernel.taps(), out} : Shape{out, kernel.taps() * in},
            .stage = stage,
            .role = role,
            .initialization = weights,
            .is_read_narrow = !kernel.is_depthwise,
            .kernel = kernel})
      .variable;
}

Variable ParameterPlace::add_statistic(const std::string& name, std::int64_t size, Initialization value) const {
  return list
      .add({.name = prefix + name,
            .shape = {size},
            .stage = stage,
            .role = ParameterRole::statistic,
            .initialization = value,
            .decays = false})
      .variable;
}

Variable ParameterPlace::add_count(const std::string& name) const {
  return list
      .add({.name = prefix + name,
            .shape = {1},
            .stage = stage,
            .role = ParameterRole::statistic,
            .decays = false,
            .is_count = true})
      .variable;
}

}  // namespace temper

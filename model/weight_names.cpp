#include "model/weight_names.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace temper {
namespace {

std::optional<std::string> renamed(const std::string& name, const WeightRule& rule) {
  if (!name.ends_with(rule.parameter)) return std::nullopt;
  return name.substr(0, name.size() - rule.parameter.size()) + rule.stored;
}

}  // namespace

Shape StoredForm::shape_of_tensor(const Shape& parameter) const {
  if (is_count) return {};
  if (kernel.taps() > 0 && kernel.is_depthwise) return {parameter[1], 1, kernel.height, kernel.width};
  if (kernel.taps() > 0) return {parameter[0], parameter[1] / kernel.taps(), kernel.height, kernel.width};
  std::vector<std::int64_t> extents(parameter.extents().begin(), parameter.extents().end());
  if (rows > 0) extents.front() = rows;
  if (transposed) std::swap(extents[0], extents[1]);
  return Shape(extents);
}

std::vector<StoredForm> WeightNames::forms_of(const Parameter& parameter) const {
  StoredForm usual{parameter.name};
  KernelExtent kernel = parameter.kernel;
  for (const WeightRule& rule : rules) {
    if (std::optional<std::string> stored = renamed(parameter.name, rule)) {
      usual = {*std::move(stored), rule.transposed, rule.rows, rule.first_row, rule.block, rule.block_step};
      if (rule.of_pixels) kernel = {1, 1};
      break;
    }
  }
  usual.kernel = kernel;
  usual.transposed = usual.transposed || parameter.kernel.is_depthwise;
  usual.is_count = parameter.is_count;
  std::vector<StoredForm> forms;
  const auto add = [&](std::string name) {
    forms.push_back(usual);
    forms.back().name = name;
    if (!prefix.empty() && name.starts_with(prefix)) {
      forms.push_back(usual);
      forms.back().name = name.substr(prefix.size());
    }
  };
  add(usual.name);
  for (const WeightRule& alternative : alternatives)
    if (std::optional<std::string> stored = renamed(usual.name, alternative)) add(*std::move(stored));
  return forms;
}

bool WeightNames::is_unread(std::string_view tensor) const {
  return std::any_of(unread.begin(), unread.end(), [&](const std::string& end) { return tensor.ends_with(end); });
}

}  // namespace temper

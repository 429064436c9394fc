#include "runtime/updates/update_rule.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"

namespace temper {

UpdateRule adamw();
UpdateRule sgd();
UpdateRule adafactor();
UpdateRule lion();

const std::vector<UpdateRule>& update_rules() {
  static const std::vector<UpdateRule> rules{adamw(), sgd(), adafactor(), lion()};
  return rules;
}

std::vector<std::string> update_rule_names() {
  std::vector<std::string> names;
  for (const UpdateRule& rule : update_rules()) names.emplace_back(rule.name);
  return names;
}

const UpdateRule& update_rule(std::string_view name) {
  const auto& rules = update_rules();
  const auto found =
      std::find_if(rules.begin(), rules.end(), [&](const UpdateRule& rule) { return rule.name == name; });
  if (found == rules.end())
    throw usage_error("unknown update rule '{}'; known are {}", name, fmt::join(update_rule_names(), ", "));
  return *found;
}

MatrixExtent matrix_extent(const Shape& shape) {
  return shape.dimensions() == 2 ? MatrixExtent{shape[0], shape[1]} : MatrixExtent{};
}

std::int64_t StateArray::elements(std::int64_t size, std::int64_t rows, std::int64_t columns) const {
  switch (extent) {
    case StateExtent::elements:
      return size;
    case StateExtent::elements_of_vectors:
      return columns == 0 ? size : 0;
    case StateExtent::rows:
      return rows;
    default:
      return columns;
  }
}

}  // namespace temper

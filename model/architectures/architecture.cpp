#include "model/architectures/architecture.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "model/activation_names.h"
#include "model/huggingface/json_object.h"

namespace temper {

bool Architecture::offers(HeadKind kind) const { return std::find(heads.begin(), heads.end(), kind) != heads.end(); }

std::string class_name(const Architecture& architecture, HeadKind kind) {
  for (const HeadClass& own : architecture.own_classes)
    if (own.kind == kind) return std::string(own.name);
  return fmt::format("{}{}", architecture.class_prefix, class_suffix(kind));
}

std::string read_activation(const ConfigKeys& keys, const ConfigKey& key, std::string_view otherwise) {
  std::string name = keys.text(key, otherwise);
  const std::vector<std::string> supported = supported_activations();
  if (std::find(supported.begin(), supported.end(), name) == supported.end())
    throw Error(
        "{}: the activation \"{}\" is {}, which is not supported, expected one of {}; choose a model with one of these",
        keys.path(), key.name, in_quotes(name), fmt::join(supported, ", "));
  return name;
}

void require_heads_divide(const ConfigKeys& keys, const ConfigKey& width_key, std::int64_t width,
                          const ConfigKey& heads_key, std::int64_t heads) {
  if (width % heads != 0)
    throw Error(
        "{}: \"{}\" is {} and \"{}\" is {}, expected heads that divide the width; correct the file, or "
        "download it again",
        keys.path(), width_key.name, width, heads_key.name, heads);
}

}  // namespace temper

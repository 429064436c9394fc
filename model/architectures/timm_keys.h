// What config.json says of a model that timm saved: the name of its architecture, whose sizes are in timm's code, the
// arguments that it was made with beside them ("model_args"), and which pictures it was trained on ("pretrained_cfg").
// And how names of parameters become timm's. An architecture of timm is a file that has a table of its names.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "model/architectures/architecture.h"
#include "model/weight_names.h"

namespace temper {

/// The name without a tag, which says what weights a model has: "resnet50", of "resnet50.a1_in1k". Empty where
/// config.json is not timm's.
std::string timm_name(const ConfigKeys& keys);
/// One of each class, of which there are "num_classes": "label_names", a list, or an object of ids where these have
/// gaps; LABEL_0, LABEL_1, ... where a class has no name there. Both keys stand beside "architecture" or in
/// "pretrained_cfg".
std::vector<std::string> timm_labels(const ConfigKeys& keys);

/// "model_args". Throws Error for arguments that are neither `known` nor of those that every model has, for rates of
/// dropout that are not 0, and unless the classifier reads `pooling`, wherever the file says what it reads.
ConfigKeys timm_arguments(const ConfigKeys& keys, std::initializer_list<std::string_view> known,
                          std::string_view pooling);
/// Of the pictures.
std::int64_t timm_channels(const ConfigKeys& keys, const ConfigKeys& arguments);
/// Of the pictures, [height, width]; 224 where nothing says it.
nlohmann::ordered_json timm_extent(const ConfigKeys& keys, const ConfigKeys& arguments);
/// A number that may have a fraction. Throws Error unless it is above 0.
double timm_ratio(const ConfigKeys& arguments, const ConfigKey& key, double otherwise);

/// The row of a table whose `name` the file names: the registry has asked whether there is one.
template <typename Row, std::size_t kRows>
const Row& timm_row(const Row (&table)[kRows], const ConfigKeys& keys) {
  const std::string name = timm_name(keys);
  return *std::find_if(std::begin(table), std::end(table), [&](const Row& row) { return row.name == name; });
}
/// The names of a table.
template <typename Row, std::size_t kRows>
std::vector<std::string_view> timm_names(const Row (&table)[kRows]) {
  std::vector<std::string_view> names;
  for (const Row& row : table) names.push_back(row.name);
  return names;
}

/// A module that has these parameters is `theirs` in files.
void add_timm_module(WeightNames& names, const std::string& ours, const std::string& theirs,
                     std::initializer_list<std::string_view> parameters = {"weight", "bias"});
/// The layers `ours`, each of `width` outputs, lie one below the other in one module of files.
void add_timm_joined(WeightNames& names, std::initializer_list<std::string> ours, const std::string& theirs,
                     std::int64_t width);

}  // namespace temper

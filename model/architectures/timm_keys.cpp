#include "model/architectures/timm_keys.h"

#include <array>
#include <charconv>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include <fmt/ranges.h>

#include "base/error.h"
#include "model/huggingface/json_object.h"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kMostClasses = 1'000'000;
constexpr std::int64_t kUsualSide = 224;
constexpr const char* kArguments = "model_args";
constexpr const char* kPictures = "pretrained_cfg";
/// What any model may be made with: of what is asked for elsewhere, and what changes nothing of these models.
constexpr std::array<std::string_view, 5> kOfEveryModel = {"num_classes", "in_chans", "img_size", "global_pool",
                                                           "drop_path_rate"};
/// Dropout of elements, for which these models have no place here.
constexpr std::array<std::string_view, 6> kRates = {"drop_rate",      "pos_drop_rate",  "patch_drop_rate",
                                                    "proj_drop_rate", "attn_drop_rate", "drop_block_rate"};

bool is_given(const ConfigKeys& keys, const ConfigKey& key) { return keys.find(key) != nullptr && !keys.is_null(key); }

/// An object of the file, which may lack it.
ConfigKeys object_of(const ConfigKeys& keys, const char* key) {
  const Json* object = keys.find(key);
  if (object == nullptr || object->is_null()) return keys.within(key, Json::object());
  if (!object->is_object()) keys.refuse(key, "an object");
  return keys.within(key, *object);
}

/// One of the three numbers of pretrained_cfg's "input_size".
std::int64_t input_size(const ConfigKeys& keys, std::size_t which, std::int64_t otherwise) {
  constexpr std::int64_t kLargest = 65'536;
  const ConfigKeys pictures = object_of(keys, kPictures);
  const Json* size = pictures.find("input_size");
  if (size == nullptr || size->is_null()) return otherwise;
  const bool is_size = size->is_array() && size->size() == 3 && size->at(which).is_number_integer() &&
                       size->at(which).get<std::int64_t>() >= 1 && size->at(which).get<std::int64_t>() <= kLargest;
  if (!is_size) pictures.refuse("input_size", "[channels, height, width]");
  return size->at(which).get<std::int64_t>();
}

/// As transformers calls a class without a name.
std::string generic_label(std::int64_t id) { return fmt::format("LABEL_{}", id); }

/// What the classifier reads stands wherever somebody chose it, and once more for whoever reads the file.
void require_pooling(const ConfigKeys& keys, std::string_view pooling) {
  if (!is_given(keys, "global_pool") || keys.text("global_pool", pooling) == pooling) return;
  keys.refuse("global_pool", fmt::format("\"{}\": models of this architecture are read in this way alone", pooling));
}

/// "label_names" that is an object: {"0": "cat", "7": "dog"}, of `count` classes, or as many as the largest id asks
/// for.
std::vector<std::string> labels_of_ids(const ConfigKeys& keys, std::optional<std::int64_t> count) {
  std::map<std::int64_t, std::string> names;
  const std::int64_t most = count.value_or(kMostClasses);
  for (const auto& [text, name] : keys.find("label_names")->items()) {
    std::int64_t id = -1;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), id);
    const bool is_number = failure == std::errc() && end == text.data() + text.size();
    if (!is_number || id < 0 || id >= most || !name.is_string() || !names.emplace(id, name.get<std::string>()).second)
      throw Error(
          "{}: \"label_names\" has {} under the id {}, expected a text under each id, and of ids whole numbers from 0 "
          "on, each once, below {}{}; correct the file, or download it again",
          keys.path(), shown(name), in_quotes(text), most, count ? " (num_classes)" : "");
  }
  std::vector<std::string> labels;
  const std::int64_t all = count.value_or(names.empty() ? 0 : names.rbegin()->first + 1);
  for (std::int64_t id = 0; id < all; ++id)
    labels.push_back(names.contains(id) ? std::move(names[id]) : generic_label(id));
  return labels;
}

}  // namespace

std::string timm_name(const ConfigKeys& keys) {
  if (keys.find("model_type") != nullptr || !is_given(keys, "architecture")) return {};
  const std::string name = keys.text("architecture", "");
  return name.substr(0, name.find('.'));
}

std::vector<std::string> timm_labels(const ConfigKeys& keys) {
  const ConfigKeys pictures = object_of(keys, kPictures);
  const ConfigKeys& of_count = is_given(keys, "num_classes") ? keys : pictures;
  const ConfigKeys& of_names = is_given(keys, "label_names") ? keys : pictures;
  std::optional<std::int64_t> count;
  if (is_given(of_count, "num_classes")) count = of_count.integer("num_classes", 0, 0, kMostClasses);
  std::vector<std::string> labels;
  if (!is_given(of_names, "label_names")) {
    for (std::int64_t id = 0; id < count.value_or(0); ++id) labels.push_back(generic_label(id));
    return labels;
  }
  if (of_names.find("label_names")->is_object()) return labels_of_ids(of_names, count);
  labels = of_names.texts("label_names");
  if (count.value_or(std::ssize(labels)) != std::ssize(labels))
    of_count.refuse("num_classes", fmt::format("{}, as many as \"label_names\" lists", labels.size()));
  return labels;
}

ConfigKeys timm_arguments(const ConfigKeys& keys, std::initializer_list<std::string_view> known,
                          std::string_view pooling) {
  ConfigKeys arguments = object_of(keys, kArguments);
  const Json* given = keys.find(kArguments);
  const auto is_in = [](const auto& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (given != nullptr && given->is_object()) {
    for (auto argument = given->begin(); argument != given->end(); ++argument) {
      const std::string& name = argument.key();
      if (is_in(kRates, name)) {
        if (!argument->is_number() || argument->get<double>() != 0.0)
          arguments.refuse(ConfigKey(name.c_str()), "0: dropout of elements is not supported in models of timm");
      } else if (!is_in(known, name) && !is_in(kOfEveryModel, name)) {
        throw Error(
            "{}: {} is {}, an argument that is not supported here, expected some of {}; choose a model that is made "
            "without it",
            arguments.path(), in_quotes(name), shown(*argument), fmt::join(known, ", "));
      }
    }
  }
  for (const ConfigKeys& place : {keys, arguments, object_of(keys, kPictures)}) require_pooling(place, pooling);
  return arguments;
}

std::int64_t timm_channels(const ConfigKeys& keys, const ConfigKeys& arguments) {
  constexpr std::int64_t kMostChannels = 1'024;
  return arguments.integer("in_chans", input_size(keys, 0, 3), 1, kMostChannels);
}

Json timm_extent(const ConfigKeys& keys, const ConfigKeys& arguments) {
  if (is_given(arguments, "img_size")) return *arguments.find("img_size");
  return Json::array({input_size(keys, 1, kUsualSide), input_size(keys, 2, kUsualSide)});
}

double timm_ratio(const ConfigKeys& arguments, const ConfigKey& key, double otherwise) {
  if (arguments.find(key) == nullptr) return otherwise;
  (void)arguments.real(key, 1.0F, 1e-3F, 1e3F);
  return arguments.find(key)->get<double>();
}

void add_timm_module(WeightNames& names, const std::string& ours, const std::string& theirs,
                     std::initializer_list<std::string_view> parameters) {
  for (const std::string_view parameter : parameters)
    names.rules.push_back({fmt::format("{}.{}", ours, parameter), fmt::format("{}.{}", theirs, parameter)});
}

void add_timm_joined(WeightNames& names, std::initializer_list<std::string> ours, const std::string& theirs,
                     std::int64_t width) {
  std::int64_t first_row = 0;
  const auto rows = static_cast<std::int64_t>(ours.size()) * width;
  for (const std::string& layer : ours) {
    for (const char* parameter : {"weight", "bias"})
      names.rules.push_back(
          {fmt::format("{}.{}", layer, parameter), fmt::format("{}.{}", theirs, parameter), false, rows, first_row});
    first_row += width;
  }
}

}  // namespace temper

#include "model/huggingface/config_keys.h"

#include <limits>
#include <utility>

#include "base/error.h"
#include "model/huggingface/json_object.h"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kLargestSize = std::numeric_limits<std::int32_t>::max();

}  // namespace

ConfigKeys::ConfigKeys(std::string_view json, const std::filesystem::path& path, double dropout)
    : object_(std::make_shared<const Json>(parse_json_object(json, path))), path_(path.string()), dropout_(dropout) {}

ConfigKeys::ConfigKeys(std::shared_ptr<const Json> object, std::string path, double dropout)
    : object_(std::move(object)), path_(std::move(path)), dropout_(dropout) {}

ConfigKeys ConfigKeys::within(std::string_view key, Json object) const {
  return {std::make_shared<const Json>(std::move(object)), key.empty() ? path_ : fmt::format("{}, {}", path_, key),
          dropout_};
}

const Json* ConfigKeys::find(const ConfigKey& key) const {
  for (const std::string_view name : {key.name, key.other}) {
    const auto found = object_->find(std::string(name));
    if (!name.empty() && found != object_->end()) return &*found;
  }
  return nullptr;
}

bool ConfigKeys::is_null(const ConfigKey& key) const {
  const Json* value = find(key);
  return value != nullptr && value->is_null();
}

std::int64_t ConfigKeys::integer(const ConfigKey& key, std::int64_t otherwise, std::int64_t lowest,
                                 std::int64_t highest) const {
  const Json* value = find(key);
  if (value == nullptr) return otherwise;
  // An unsigned value beyond 2^63 would turn negative, and is refused with the others.
  const bool in_range =
      value->is_number_integer() && value->get<std::int64_t>() >= lowest && value->get<std::int64_t>() <= highest;
  if (!in_range) refuse(key, fmt::format("a whole number from {} to {}", lowest, highest));
  return value->get<std::int64_t>();
}

std::int64_t ConfigKeys::size(const ConfigKey& key, std::int64_t otherwise) const {
  return integer(key, otherwise, 1, kLargestSize);
}

float ConfigKeys::real(const ConfigKey& key, float otherwise, float lowest, float highest) const {
  const Json* value = find(key);
  if (value == nullptr) return otherwise;
  const bool in_range = value->is_number() && value->get<double>() >= lowest && value->get<double>() <= highest;
  if (!in_range) refuse(key, fmt::format("a number from {} to {}", lowest, highest));
  return value->get<float>();
}

float ConfigKeys::dropout(const ConfigKey& key, float otherwise) const {
  const float rate = is_null(key) ? otherwise : real(key, otherwise, 0.0F, 1.0F);
  return dropout_ < 0.0 ? rate : static_cast<float>(dropout_);
}

bool ConfigKeys::flag(const ConfigKey& key, bool otherwise) const {
  const Json* value = find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) refuse(key, "true or false");
  return value->get<bool>();
}

bool ConfigKeys::truth(const ConfigKey& key, bool otherwise) const {
  const Json* value = find(key);
  if (value == nullptr) return otherwise;
  if (value->is_boolean()) return value->get<bool>();
  if (value->is_number()) return value->get<double>() != 0.0;
  if (value->is_string()) return !value->get_ref<const std::string&>().empty();
  return !value->empty();
}

std::string ConfigKeys::text(const ConfigKey& key, std::string_view otherwise) const {
  const Json* value = find(key);
  if (value == nullptr) return std::string(otherwise);
  if (!value->is_string()) refuse(key, "a text");
  return value->get<std::string>();
}

std::vector<std::string> ConfigKeys::texts(const ConfigKey& key) const {
  std::vector<std::string> texts;
  const Json* value = find(key);
  if (value == nullptr || value->is_null()) return texts;
  if (!value->is_array()) refuse(key, "a list of texts");
  for (const Json& text : *value) {
    if (!text.is_string()) refuse(key, "a list of texts");
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

void ConfigKeys::refuse(const ConfigKey& key, const std::string& expected) const {
  const bool own = object_->contains(std::string(key.name));
  const Json* value = find(key);
  throw Error("{}: \"{}\" is {}, expected {}; correct the file, or download it again", path_,
              own || key.other.empty() ? key.name : key.other, value != nullptr ? shown(*value) : "missing", expected);
}

}  // namespace temper

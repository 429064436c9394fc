#include "runtime/generation/generation_defaults.h"

#include <nlohmann/json.hpp>
#include <system_error>

#include "base/error.h"
#include "model/huggingface/json_object.h"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;

[[noreturn]] void refuse(const std::filesystem::path& file, const char* key, const Json& found, const char* expected) {
  throw Error("{}: \"{}\" is {}, expected {}", file.string(), key, shown(found), expected);
}

std::int32_t token_id(const std::filesystem::path& file, const char* key, const Json& value, const Json& all) {
  if (!value.is_number_integer() || value.get<std::int64_t>() < 0 || value.get<std::int64_t>() > INT32_MAX)
    refuse(file, key, all, "the id of a token, or a list of ids");
  return value.get<std::int32_t>();
}

/// The ids of a key that has one or several; none where it is absent or null.
std::vector<std::int32_t> token_ids(const std::filesystem::path& file, const Json& object, const char* key) {
  std::vector<std::int32_t> ids;
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return ids;
  if (!found->is_array()) return {token_id(file, key, *found, *found)};
  for (const Json& value : *found) ids.push_back(token_id(file, key, value, *found));
  return ids;
}

std::optional<double> number(const std::filesystem::path& file, const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return std::nullopt;
  if (!found->is_number()) refuse(file, key, *found, "a number");
  return found->get<double>();
}

}  // namespace

GenerationDefaults read_generation_defaults(const ModelConfig& config) {
  const std::filesystem::path of_model = config.folder / "config.json";
  const Json model = parse_json_object(config.json, of_model);
  const std::filesystem::path of_generation = config.folder / "generation_config.json";
  std::error_code absent;
  const Json generation = std::filesystem::exists(of_generation, absent) ? read_json_object(of_generation) : Json();

  GenerationDefaults defaults;
  const auto ids_of = [&](const char* key) {
    std::vector<std::int32_t> ids = token_ids(of_generation, generation, key);
    return ids.empty() ? token_ids(of_model, model, key) : ids;
  };
  defaults.stop_tokens = ids_of("eos_token_id");
  if (const std::vector<std::int32_t> first = ids_of("bos_token_id"); !first.empty())
    defaults.first_token = first.front();
  defaults.repetition_penalty = number(of_generation, generation, "repetition_penalty");
  const auto samples = generation.find("do_sample");
  if (samples == generation.end() || !samples->is_boolean() || !samples->get<bool>()) return defaults;
  defaults.temperature = number(of_generation, generation, "temperature").value_or(1.0);
  // As in transformers, which leaves 50 where nothing is said.
  defaults.top_k = static_cast<std::int64_t>(number(of_generation, generation, "top_k").value_or(50.0));
  defaults.top_p = number(of_generation, generation, "top_p");
  defaults.min_p = number(of_generation, generation, "min_p");
  return defaults;
}

}  // namespace temper

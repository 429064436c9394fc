#include "model/huggingface/model_files.h"

#include <set>
#include <string>
#include <system_error>

#include "base/error.h"
#include "base/mapped_file.h"
#include "model/gguf/gguf_file.h"
#include "model/huggingface/gguf_model.h"
#include "model/huggingface/json_object.h"
#include "model/huggingface/timm_config.h"

namespace temper {
namespace {

namespace fs = std::filesystem;

/// The files that an index of shards names, by name.
std::set<std::string> shards_of(const fs::path& index) {
  std::set<std::string> shards;
  try {
    const nlohmann::ordered_json json = read_json_object(index);
    const auto map = json.find("weight_map");
    if (map == json.end() || !map->is_object()) return shards;
    for (const auto& [tensor, shard] : map->items())
      if (shard.is_string() && is_shard_name(shard.get<std::string>())) shards.insert(shard.get<std::string>());
  } catch (const Error&) {
    shards.clear();
  }
  return shards;
}

}  // namespace

bool is_shard_name(const std::string& name) {
  return !name.empty() && name != ".." && name != "." && name.find('/') == std::string::npos;
}

ModelFiles model_files(const fs::path& folder) {
  ModelFiles files;
  if (is_gguf_file(folder)) {
    try {
      files.weights = gguf_parts(folder);
    } catch (const Error&) {
      files.weights = {folder};  // no first part, which whoever opens it says
    }
    return files;
  }
  files.texts.push_back(folder / "config.json");
  for (const std::string_view name : kTokenizerFiles) files.texts.push_back(folder / name);
  files.texts.push_back(folder / kGenerationFile);
  files.texts.push_back(folder / "temper.json");
  std::error_code ignored;
  // The form that is found first is read: a single file of safetensors, its shards, then the older format.
  for (const std::string_view name : kWeightFiles) {
    if (fs::exists(folder / name, ignored)) {
      files.weights.push_back(folder / name);
      return files;
    }
    const fs::path index = folder / (std::string(name) + ".index.json");
    if (!fs::exists(index, ignored)) continue;
    files.texts.push_back(index);
    for (const std::string& shard : shards_of(index)) files.weights.push_back(folder / shard);
    return files;
  }
  files.weights.push_back(folder / kWeightFiles.front());
  return files;
}

std::vector<fs::path> files_of_adapter(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const char* name : {"adapter_config.json", "adapter_model.safetensors", "temper.json"})
    files.push_back(folder / name);
  for (const std::string_view name : kTokenizerFiles) files.push_back(folder / name);
  return files;
}

fs::path config_place(const fs::path& model) { return is_gguf_file(model) ? model : model / "config.json"; }

std::string model_config_text(const fs::path& model) {
  if (is_gguf_file(model)) return GgufModel(model).config_json();
  return with_pretrained_cfg(read_text_file(model / "config.json"), model / "config.json");
}

}  // namespace temper

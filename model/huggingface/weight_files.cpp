#include "model/huggingface/weight_files.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "base/digest.h"
#include "base/error.h"
#include "base/half_float.h"
#include "base/mapped_file.h"
#include "base/nearest_name.h"
#include "model/gguf/dequantize.h"
#include "model/gguf/gguf_file.h"
#include "model/huggingface/gguf_model.h"
#include "model/huggingface/json_object.h"
#include "model/huggingface/model_files.h"
#include "model/huggingface/pytorch_file.h"

namespace temper {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWeightsRemedy = "download or save the model again";

/// What to do about a folder that has no weights.
std::string what_else_it_may_be(const fs::path& folder) {
  std::error_code ignored;
  if (fs::exists(folder / "adapter_config.json", ignored))
    return "it holds an adapter (PEFT), not a model: merge it into its base model (merge_and_unload, save_pretrained) "
           "and use that folder";
  for (const char* name : {"tf_model.h5", "flax_model.msgpack", "model.ckpt.index", "bert_model.ckpt.index"})
    if (fs::exists(folder / name, ignored))
      return fmt::format("it has {}, which is not read: load it in transformers and save it there (save_pretrained)",
                         name);
  return "check the path, or download the weights of the model; to train it from nothing, set model.initialize = true";
}

/// Tensor name -> name of its shard, from the index's "weight_map".
std::map<std::string, std::string> read_index(const fs::path& path) {
  const MappedFile file(path);
  const nlohmann::json index = parse_strict_object(file.text(), path.string() + ": the index", kWeightsRemedy);
  const auto weight_map = index.find("weight_map");
  if (weight_map == index.end() || !weight_map->is_object() || weight_map->empty())
    throw Error("{}: \"weight_map\" is missing or empty, expected an object that names the shard of each tensor; {}",
                path.string(), kWeightsRemedy);
  std::map<std::string, std::string> shard_of;
  for (const auto& [name, shard] : weight_map->items()) {
    const std::string file_name = shard.is_string() ? shard.get<std::string>() : std::string();
    if (!is_shard_name(file_name))
      throw Error("{}: tensor {} is said to lie in {}, expected the name of a file in the same folder; {}",
                  path.string(), in_quotes(name), shown(shard), kWeightsRemedy);
    shard_of.emplace(name, file_name);
  }
  return shard_of;
}

template <typename Stored, typename Convert>
void convert_all(std::span<const std::byte> bytes, std::span<float> out, Convert convert) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, bytes.data() + i * sizeof(Stored), sizeof(Stored));  // the file promises no alignment
    out[i] = convert(stored);
  }
}

void decode(const TensorView& tensor, std::span<float> out) {
  if (tensor.gguf.change == GgufChange::none) return dequantize(tensor.gguf.type, tensor.bytes, out);
  std::vector<float> stored(out.size());
  dequantize(tensor.gguf.type, tensor.bytes, stored);
  const std::int64_t rows = tensor.shape.front();
  undo_change(tensor.gguf, rows, static_cast<std::int64_t>(out.size()) / rows, stored, out);
}

}  // namespace

void WeightFiles::add(TensorFile file) {
  // The views live in the nodes of the file's map, which a move leaves where they are.
  const TensorFile& added = files_.emplace_back(std::move(file));
  for (const auto& [name, tensor] : added.tensors) {
    const auto [found, is_new] = tensors_.emplace(name, &tensor);
    if (!is_new)
      throw Error("{}: tensor {} lies in {} and in {}, expected it once; {}", folder_.string(), in_quotes(name),
                  fs::path(found->second->file).filename().string(), added.mapped.path().filename().string(),
                  kWeightsRemedy);
  }
}

void WeightFiles::add_file(const std::string& name) {
  const fs::path path = folder_ / name;
  if (path.extension() != ".safetensors") return add(open_pytorch_file(path));
  auto [mapped, tensors] = SafetensorsFile(path).release();
  add({std::move(mapped), std::move(tensors)});
}

void WeightFiles::add_shards(const std::string& index_name) {
  const fs::path index_path = folder_ / index_name;
  const std::map<std::string, std::string> shard_of = read_index(index_path);
  std::set<std::string> shards;
  for (const auto& [name, shard] : shard_of) {
    std::error_code ignored;
    if (!shards.insert(shard).second) continue;
    if (!fs::exists(folder_ / shard, ignored))
      throw Error("{}: the shard {} is missing, which {} names for tensor {}; {}", folder_.string(), in_quotes(shard),
                  index_name, in_quotes(name), "download it, too");
  }
  for (const std::string& shard : shards) add_file(shard);
  for (const auto& [name, shard] : shard_of) {
    const TensorView* tensor = find(name);
    if (tensor == nullptr || fs::path(tensor->file).filename() != shard)
      throw Error(
          "{}: tensor {} is said to lie in {}, but {}; the index and the shards are not of one model: {}",
          index_path.string(), in_quotes(name), in_quotes(shard),
          tensor == nullptr ? "no shard has it" : "it lies in " + in_quotes(fs::path(tensor->file).filename().string()),
          kWeightsRemedy);
  }
}

WeightFiles WeightFiles::open(const fs::path& folder) {
  std::error_code ignored;
  if (is_gguf_file(folder)) {
    WeightFiles weights(folder);
    for (TensorFile& file : GgufModel(folder).take_weights()) weights.add(std::move(file));
    return weights;
  }
  if (!fs::is_directory(folder, ignored))
    throw Error("{}: {}, expected a model folder with config.json and {}; check the path", folder.string(),
                fs::exists(folder, ignored) ? "is a file" : "no such folder", kWeightFiles.front());
  WeightFiles weights(folder);
  for (const std::string_view file : kWeightFiles) {
    const std::string name(file);
    const std::string index = name + ".index.json";
    const bool is_single = fs::exists(folder / name, ignored);
    if (!is_single && !fs::exists(folder / index, ignored)) continue;
    if (is_single) {
      weights.add_file(name);
    } else {
      weights.add_shards(index);
    }
    return weights;
  }
  throw Error("{}: has neither {} nor {}.index.json, nor {}; {}", folder.string(), kWeightFiles[0], kWeightFiles[0],
              kWeightFiles[1], what_else_it_may_be(folder));
}

const TensorView* WeightFiles::find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : found->second;
}

std::vector<std::string> WeightFiles::names() const {
  std::vector<std::string> sorted;
  sorted.reserve(tensors_.size());
  for (const auto& [name, tensor] : tensors_) sorted.push_back(name);
  return sorted;
}

std::string WeightFiles::digest(const std::stop_token& stop) const {
  if (files_.empty()) return sha256_file(MappedFile(folder_ / "config.json"), stop);
  if (files_.size() == 1) return sha256_file(files_.front().mapped, stop);
  std::string lines;
  for (const TensorFile& file : files_)
    lines += sha256_file(file.mapped, stop) + "  " + file.mapped.path().filename().string() + "\n";
  return sha256_hex(std::string_view(lines));
}

std::string WeightFiles::fingerprint() const {
  constexpr std::size_t kEnd = 4096;
  std::string text;
  for (const auto& [name, tensor] : tensors_) {
    const std::span<const std::byte> bytes = tensor->bytes;
    // Of blocks, the number of bytes tells which.
    const std::string_view type = tensor->type == StoredType::gguf ? "GGUF" : name_of(tensor->type);
    text += fmt::format("{} {} {} {}\n", name, type, nlohmann::json(tensor->shape).dump(), bytes.size());
    for (const auto part : {bytes.first(std::min(kEnd, bytes.size())), bytes.last(std::min(kEnd, bytes.size()))})
      text.append(reinterpret_cast<const char*>(part.data()), part.size());
  }
  return sha256_hex(std::string_view(text));
}

void WeightFiles::forget_pages() const noexcept {
  for (const TensorFile& file : files_) file.mapped.forget_pages();
}

fs::path WeightFiles::file_of(const std::string& name) const {
  if (const TensorView* tensor = find(name)) return tensor->file;
  const std::string near = nearest_name(name, names());
  throw Error("{}: has no tensor {}{}", folder_.string(), in_quotes(name),
              near.empty() ? "" : "; the nearest name is " + in_quotes(near));
}

void to_f32(const TensorView& tensor, std::span<float> out) {
  const auto count = static_cast<std::size_t>(element_count(tensor.shape).value_or(0));
  if (out.size() != count)
    throw Error("{}: tensor {} has {} elements, expected {}", tensor.file, in_quotes(tensor.name), count, out.size());
  switch (tensor.type) {
    case StoredType::f32:
      if (!out.empty()) std::memcpy(out.data(), tensor.bytes.data(), out.size_bytes());
      return;
    case StoredType::f16:
      return convert_all<std::uint16_t>(tensor.bytes, out, from_f16);
    case StoredType::bf16:
      return convert_all<std::uint16_t>(tensor.bytes, out, from_bf16);
    case StoredType::f64:
      return convert_all<double>(tensor.bytes, out, [](double value) { return static_cast<float>(value); });
    case StoredType::gguf:
      return decode(tensor, out);
    case StoredType::i64:
    case StoredType::i32:
    case StoredType::i16:
    case StoredType::i8:
    case StoredType::u8:
    case StoredType::boolean:
      break;
  }
  throw Error(
      "{}: tensor {} is stored as {}, expected F32, F16, BF16 or F64; save the model with floating-point weights",
      tensor.file, in_quotes(tensor.name), name_of(tensor.type));
}

bool is_mappable_f32(const TensorView& tensor) {
  return tensor.type == StoredType::f32 && reinterpret_cast<std::uintptr_t>(tensor.bytes.data()) % alignof(float) == 0;
}

}  // namespace temper

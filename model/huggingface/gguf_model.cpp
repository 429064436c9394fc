#include "model/huggingface/gguf_model.h"

#include <algorithm>

#include "base/error.h"
#include "model/huggingface/gguf_rope.h"

namespace temper {
namespace {

constexpr std::int64_t kLargestGgufSize = INT32_MAX;

const GgufArchitecture& read_gguf_architecture(const GgufMetadata& metadata) {
  constexpr std::string_view kKey = "general.architecture";
  const std::string name = metadata.require_text(kKey);
  const GgufArchitecture* architecture = find_gguf_architecture(name);
  if (architecture == nullptr)
    throw Error(
        "{}: the architecture {} ({}) is not read from GGUF files, expected one of {}; choose a model of one of "
        "these, or use its Hugging Face folder",
        metadata.path(), quoted_gguf_name(name), kKey, gguf_architecture_names());
  return *architecture;
}

/// Elements that lie in the file as they do in a Hugging Face one need no decoding.
std::optional<StoredType> plain_type(GgmlType type) {
  switch (type) {
    case GgmlType::f32:
      return StoredType::f32;
    case GgmlType::f16:
      return StoredType::f16;
    case GgmlType::bf16:
      return StoredType::bf16;
    case GgmlType::f64:
      return StoredType::f64;
    default:
      return std::nullopt;
  }
}

}  // namespace

GgufModel::GgufModel(const std::filesystem::path& path)
    : parts_(open_gguf_parts(path)), architecture_(&read_gguf_architecture(metadata())) {}

const GgufTensor* GgufModel::find(const std::string& name) const {
  for (const GgufFile& part : parts_)
    if (const auto found = part.tensors().find(name); found != part.tensors().end()) return &found->second;
  return nullptr;
}

std::size_t GgufModel::tensor_count() const {
  std::size_t count = 0;
  for (const GgufFile& part : parts_) count += part.tensors().size();
  return count;
}

std::int64_t GgufModel::vocabulary_size() const {
  const GgufTensor* embeddings = find("token_embd.weight");
  if (embeddings == nullptr || embeddings->shape.size() != 2)
    throw Error(
        "{}: has no matrix \"token_embd.weight\" of word embeddings; the file is damaged, or holds no language "
        "model",
        metadata().path());
  return embeddings->shape.front();
}

std::string GgufModel::key(std::string_view suffix) const {
  return std::string(architecture_->name) + "." + std::string(suffix);
}

std::optional<std::int64_t> GgufModel::size(std::string_view suffix) const {
  const std::string name = key(suffix);
  const std::optional<std::vector<std::int64_t>> values = metadata().integers(name);
  if (!values) return std::nullopt;
  const bool are_equal = !values->empty() && std::all_of(values->begin(), values->end(),
                                                         [&](std::int64_t value) { return value == values->front(); });
  if (!are_equal || values->front() < 1 || values->front() > kLargestGgufSize)
    metadata().refuse(name, fmt::format("one whole number from 1 to {} for all layers", kLargestGgufSize));
  return values->front();
}

std::optional<double> GgufModel::real(std::string_view suffix) const { return metadata().real(key(suffix)); }

std::int64_t GgufModel::heads() const {
  const std::optional<std::int64_t> count = size("attention.head_count");
  if (!count) metadata().refuse(key("attention.head_count"), "the number of heads");
  return *count;
}

std::int64_t GgufModel::key_heads() const {
  const std::int64_t count = size("attention.head_count_kv").value_or(heads());
  if (heads() % count != 0)
    metadata().refuse(key("attention.head_count_kv"), fmt::format("a divisor of {}, the number of heads", heads()));
  return count;
}

TensorView GgufModel::view_of(const GgufTensor& tensor, const std::filesystem::path& file) const {
  const std::optional<GgufName> name = huggingface_name(*architecture_, tensor.name);
  TensorView view{name ? name->name : tensor.name, StoredType::gguf, tensor.shape, tensor.bytes, file.string()};
  view.gguf = {tensor.type, name ? name->change : GgufChange::none, 1};
  const std::string where = fmt::format("{}: tensor {}", file.string(), quoted_gguf_name(tensor.name));
  if (name && !layout_of(tensor.type).is_read)
    throw Error("{}: is of type {}, expected one of {}; choose a file of another quantisation", where,
                layout_of(tensor.type).name, names_of_types_read());
  const GgufChange change = view.gguf.change;
  if (const std::optional<StoredType> plain = plain_type(tensor.type); plain && change == GgufChange::none)
    view.type = *plain;
  if (change == GgufChange::paired_queries || change == GgufChange::apart) view.gguf.heads = heads();
  if (change == GgufChange::paired_keys) view.gguf.heads = key_heads();
  const std::int64_t parts = change == GgufChange::apart ? 3 : 2;
  if (view.gguf.heads > 1 || change == GgufChange::paired_keys || change == GgufChange::paired_queries)
    if (view.shape.front() % (parts * view.gguf.heads) != 0)
      throw Error("{}: has {} rows, which {} heads cannot share; the tensor and the metadata do not belong together",
                  where, view.shape.front(), view.gguf.heads);
  if (change == GgufChange::transposed) {
    if (view.shape.size() != 2)
      throw Error("{}: has {} dimensions, expected 2; the file is damaged", where, view.shape.size());
    std::swap(view.shape[0], view.shape[1]);
  }
  return view;
}

std::vector<TensorFile> GgufModel::take_weights() {
  std::vector<std::map<std::string, TensorView>> views;
  for (const GgufFile& part : parts_) {
    std::map<std::string, TensorView>& of_part = views.emplace_back();
    for (const auto& [name, tensor] : part.tensors()) {
      if (is_rope_factor_tensor(name)) continue;  // config.json says what they do
      TensorView view = view_of(tensor, part.path());
      const std::string new_name = view.name;
      if (!of_part.emplace(new_name, std::move(view)).second)
        throw Error("{}: tensor {} has the name that another one has in Hugging Face folders; the file is damaged",
                    part.path().string(), quoted_gguf_name(name));
    }
  }
  std::vector<TensorFile> files;
  for (std::size_t i = 0; i < parts_.size(); ++i)
    files.push_back({std::move(parts_[i]).release_mapping(), std::move(views[i])});
  parts_.clear();
  return files;
}

}  // namespace temper

#include "model/huggingface/gguf_export.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/half_float.h"
#include "model/gguf/gguf_file.h"
#include "model/gguf/quantize.h"
#include "model/huggingface/gguf_architecture.h"
#include "model/huggingface/gguf_rope.h"
#include "model/huggingface/json_object.h"
#include "model/huggingface/model_files.h"

namespace temper {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kNotInGguf = "which a GGUF file cannot say; export a Hugging Face folder";

/// config.json of the model, and what of it the architecture's keys are made of.
class SourceConfig {
 public:
  explicit SourceConfig(const fs::path& source)
      : path_(config_place(source).string()), json_(parse_json_object(model_config_text(source), path_)) {
    const std::string type = json_.value("model_type", "");
    architecture_ = gguf_architecture_of(type);
    if (architecture_ == nullptr)
      throw Error("{}: a model of type {} has no GGUF file, expected one of {}; export a Hugging Face folder", path_,
                  in_quotes(type), gguf_architecture_names());
  }

  [[nodiscard]] const GgufArchitecture& architecture() const { return *architecture_; }
  [[nodiscard]] const Json& json() const { return json_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string key(std::string_view suffix) const {
    return std::string(architecture_->name) + "." + std::string(suffix);
  }

  [[nodiscard]] const Json* find(std::string_view key) const {
    const auto found = json_.find(std::string(key));
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }
  [[nodiscard]] std::optional<double> number(std::string_view key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number()) refuse(key, "is no number");
    return value->get<double>();
  }
  [[nodiscard]] std::int64_t size(std::string_view key, std::string_view other = {}) const {
    std::optional<double> value = number(key);
    if (!value && !other.empty()) value = number(other);
    if (!value || *value < 1 || *value > INT32_MAX) refuse(key, "is missing or no size");
    return static_cast<std::int64_t>(*value);
  }
  [[nodiscard]] std::int64_t width() const { return size("hidden_size", "n_embd"); }
  [[nodiscard]] std::int64_t heads() const { return size("num_attention_heads", "n_head"); }
  [[nodiscard]] std::int64_t key_heads() const {
    return find("num_key_value_heads") != nullptr ? size("num_key_value_heads") : heads();
  }
  [[nodiscard]] std::int64_t head_width() const {
    return find("head_dim") != nullptr ? size("head_dim") : width() / heads();
  }
  [[nodiscard]] std::int64_t layers() const { return size("num_hidden_layers", "n_layer"); }

  /// The model must be what llama.cpp takes for granted of its architecture.
  void require(std::string_view key, const Json& wanted) const {
    const Json* value = find(key);
    if (value != nullptr && *value != wanted)
      refuse(key, fmt::format("is {}, where llama.cpp computes {} for {}", shown(*value), shown(wanted),
                              architecture_->name));
  }
  [[noreturn]] void refuse(std::string_view key, const std::string& what) const {
    throw Error("{}: \"{}\" {}, {}", path_, key, what, kNotInGguf);
  }

 private:
  std::string path_;
  Json json_;
  const GgufArchitecture* architecture_ = nullptr;
};

void require_family(const SourceConfig& config) {
  const std::string_view name = config.architecture().name;
  if (config.architecture().gated) config.require("hidden_act", "silu");
  if (name == "gptneox") config.require("hidden_act", "gelu");
  if (name == "gpt2") {
    config.require("activation_function", "gelu_new");
    config.require("scale_attn_weights", true);
    config.require("scale_attn_by_inverse_layer_idx", false);
  }
  if (name == "gemma2" || name == "command-r") config.require("tie_word_embeddings", true);
  if (name == "qwen2" || name == "qwen3") config.require("use_sliding_window", false);
  if (name == "smollm3") {
    config.require("use_sliding_window", false);
    if (const Json* rotated = config.find("no_rope_layers"); rotated != nullptr && rotated->is_array())
      for (std::size_t layer = 0; layer < rotated->size(); ++layer)
        if ((*rotated)[layer] != Json((layer + 1) % 4 != 0 ? 1 : 0))
          config.refuse("no_rope_layers", "is not every fourth layer");
  }
  if (name != "gemma2" && name != "gemma3") return;
  const bool is_largest = config.layers() == (name == "gemma2" ? 46 : 62);
  const std::int64_t scalar = is_largest ? config.width() / config.heads() : config.head_width();
  if (config.number("query_pre_attn_scalar").value_or(static_cast<double>(scalar)) != static_cast<double>(scalar))
    config.refuse("query_pre_attn_scalar", fmt::format("is not {}", scalar));
  if (name == "gemma2")
    for (const char* cap : {"attn_logit_softcapping", "final_logit_softcapping"})
      if (config.json().contains(cap) && config.find(cap) == nullptr)
        config.refuse(cap, "is null, where llama.cpp caps the logits of all of this family");
  const std::size_t period = name == "gemma2" ? 2 : 6;
  if (name == "gemma3" && config.find("layer_types") == nullptr)
    for (const char* interval : {"sliding_window_pattern", "_sliding_window_pattern"}) config.require(interval, period);
  if (const Json* types = config.find("layer_types"); types != nullptr && types->is_array())
    for (std::size_t layer = 0; layer < types->size(); ++layer)
      if ((*types)[layer] != Json((layer + 1) % period == 0 ? "full_attention" : "sliding_attention"))
        config.refuse("layer_types", fmt::format("is not a full layer after each {} with a window", period - 1));
}

void add_architecture_keys(const SourceConfig& config, GgufKeys& keys) {
  for (const GgufKey& known : config.architecture().keys) {
    const std::string key = config.key(known.gguf);
    const bool is_head_key = known.huggingface == "num_key_value_heads" || known.huggingface == "head_dim";
    if (is_head_key) {
      keys.add_u32(
          key, static_cast<std::uint32_t>(known.huggingface == "head_dim" ? config.head_width() : config.key_heads()));
    } else if (known.huggingface == "n_inner" && config.find("n_inner") == nullptr) {
      keys.add_u32(key, static_cast<std::uint32_t>(4 * config.width()));
    } else if (config.find(known.huggingface) == nullptr && !known.required) {
      continue;
    } else if (known.kind == GgufKeyKind::size) {
      keys.add_u32(key, static_cast<std::uint32_t>(config.size(known.huggingface)));
    } else if (known.kind == GgufKeyKind::real) {
      const std::optional<double> value = config.number(known.huggingface);
      if (!value && known.otherwise == 0.0) config.refuse(known.huggingface, "is missing");
      keys.add_f32(key, static_cast<float>(value.value_or(known.otherwise)));
    } else {
      keys.add_flag(key, *config.find(known.huggingface) != false);
    }
  }
  if (config.architecture().rotary != GgufRotary::none)
    keys.add_u32(config.key("attention.value_length"), static_cast<std::uint32_t>(config.head_width()));
  if (config.json().value("model_type", "") == "mistral" && config.find("sliding_window") != nullptr)
    keys.add_u32(config.key("attention.sliding_window"), static_cast<std::uint32_t>(config.size("sliding_window")));
}

/// How many elements of a head rotate.
std::int64_t turned_of(const SourceConfig& config) {
  if (config.architecture().rotary == GgufRotary::whole_head) return config.head_width();
  std::optional<double> part;
  for (const char* name : {"partial_rotary_factor", "rotary_pct"})
    if (!part) part = config.number(name);
  if (const Json* rope = config.find("rope_parameters"); !part && rope != nullptr && rope->is_object())
    if (const auto found = rope->find("partial_rotary_factor"); found != rope->end() && found->is_number())
      part = found->get<double>();
  const double usual = config.architecture().name == "gptneox" ? 0.25 : 1.0;
  return static_cast<std::int64_t>(part.value_or(usual) * static_cast<double>(config.head_width()));
}

GgufTensorToWrite vector_of(std::string name, const std::vector<float>& values) {
  return {std::move(name),
          {static_cast<std::int64_t>(values.size())},
          GgmlType::f32,
          [values](std::vector<std::byte>& blocks) { quantize(GgmlType::f32, values, "factors", blocks); }};
}

/// Adds the keys, and to `tensors` the factors that are no keys.
void add_rope(const SourceConfig& config, GgufKeys& keys, std::vector<GgufTensorToWrite>& tensors) {
  if (config.architecture().rotary == GgufRotary::none) return;
  const std::int64_t turned = turned_of(config);
  const GgufRope rope = gguf_rope_of(config.json(), turned, config.path());
  const std::string_view name = config.architecture().name;
  if (turned % 2 != 0)
    throw Error("{}: {} elements of each head are turned, an odd number, {}", config.path(), turned, kNotInGguf);
  const bool has_factors = !rope.factors.empty() || !rope.long_factors.empty();
  if (has_factors && name != "llama" && (name != "phi3" || rope.long_factors.empty()))
    throw Error("{}: stretches positions by a factor for each frequency, which llama.cpp does not read of {}, {}",
                config.path(), name, kNotInGguf);
  keys.add_u32(config.key("rope.dimension_count"), static_cast<std::uint32_t>(turned));
  keys.add_f32(config.key("rope.freq_base"), static_cast<float>(rope.base));
  if (config.architecture().name == "gemma3") {
    std::optional<double> local = config.number("rope_local_base_freq");
    if (const Json* rules = config.find("rope_parameters");
        !local && rules != nullptr && rules->is_object() && rules->contains("sliding_attention"))
      local = (*rules)["sliding_attention"].value("rope_theta", 10000.0);
    keys.add_f32(config.key("rope.freq_base_swa"), static_cast<float>(local.value_or(10000.0)));
  }
  if (rope.type != "none") keys.add_text(config.key("rope.scaling.type"), rope.type);
  if (rope.factor) keys.add_f32(config.key("rope.scaling.factor"), static_cast<float>(*rope.factor));
  if (rope.original_length)
    keys.add_u32(config.key("rope.scaling.original_context_length"), static_cast<std::uint32_t>(*rope.original_length));
  if (rope.attention_factor)
    keys.add_f32(config.key("rope.scaling.attn_factor"), static_cast<float>(*rope.attention_factor));
  if (rope.beta_fast) keys.add_f32(config.key("rope.scaling.yarn_beta_fast"), static_cast<float>(*rope.beta_fast));
  if (rope.beta_slow) keys.add_f32(config.key("rope.scaling.yarn_beta_slow"), static_cast<float>(*rope.beta_slow));
  if (!rope.factors.empty()) tensors.push_back(vector_of(kRopeFactors, rope.factors));
  if (!rope.short_factors.empty()) tensors.push_back(vector_of(kRopeShortFactors, rope.short_factors));
  if (!rope.long_factors.empty()) tensors.push_back(vector_of(kRopeLongFactors, rope.long_factors));
}

/// general.file_type (llama.cpp's llama_ftype).
std::uint32_t file_type_of(GgmlType type) {
  switch (type) {
    case GgmlType::f16:
      return 1;
    case GgmlType::q4_0:
      return 2;
    case GgmlType::q8_0:
      return 7;
    case GgmlType::bf16:
      return 32;
    default:
      return 0;
  }
}

/// A matrix of positions is added to activations like a bias, and stays F32 like one.
GgmlType type_of(const GgufTensorToWrite& tensor, GgmlType wanted) {
  if (tensor.shape.size() < 2 || tensor.name == "position_embd.weight") return GgmlType::f32;
  const auto row = static_cast<std::size_t>(tensor.shape.back());
  return row % layout_of(wanted).block_elements == 0 ? wanted : GgmlType::f16;
}

GgufTensorToWrite tensor_of(const TensorToWrite& tensor, const SourceConfig& config, GgmlType wanted) {
  const std::optional<GgufName> name = gguf_name(config.architecture(), tensor.name);
  if (!name)
    throw Error(
        "{}: tensor {} has no name in GGUF files of {}: only causal language models are written, without heads "
        "of other tasks; export a Hugging Face folder",
        config.path(), in_quotes(tensor.name), config.architecture().name);
  GgufForm form{wanted, name->change, 1};
  if (form.change == GgufChange::paired_queries || form.change == GgufChange::apart) form.heads = config.heads();
  if (form.change == GgufChange::paired_keys) form.heads = config.key_heads();
  GgufTensorToWrite out{name->name, tensor.shape, wanted, {}};
  if (form.change == GgufChange::transposed) std::swap(out.shape[0], out.shape[1]);
  out.type = type_of(out, wanted);
  const std::string place = fmt::format("tensor {}", in_quotes(tensor.name));
  out.blocks = [form, place, type = out.type, rows = tensor.shape.front(), tensor](std::vector<std::byte>& blocks) {
    std::vector<float> widened(tensor.narrow.size());
    std::transform(tensor.narrow.begin(), tensor.narrow.end(), widened.begin(),
                   tensor.narrow_type == StoredType::f16 ? from_f16 : from_bf16);
    const std::span<const float> values = widened.empty() ? tensor.values : widened;
    if (form.change == GgufChange::none) return quantize(type, values, place, blocks);
    std::vector<float> changed(values.size());
    apply_change(form, rows, static_cast<std::int64_t>(values.size()) / rows, values, changed);
    quantize(type, changed, place, blocks);
  };
  return out;
}

void check_gguf_target(const GgufExportRequest& request) {
  std::error_code ignored;
  if (fs::is_directory(request.target, ignored) || request.target.filename().empty())
    throw Error("{}: is a folder, expected the name of the file to write, as model.gguf", request.target.string());
  if (fs::equivalent(request.target, request.source, ignored))
    throw Error("{}: is the base model itself, which an export would replace; choose another file",
                request.target.string());
  if (fs::exists(request.target, ignored) && !is_gguf_file(request.target))
    throw Error("{}: is there and no GGUF file, and would be replaced; choose another file, or move it away",
                request.target.string());
  const fs::path folder = request.target.parent_path();
  if (!folder.empty()) fs::create_directories(folder, ignored);
}

}  // namespace

void require_gguf_export(const fs::path& source) { require_family(SourceConfig(source)); }

void export_gguf(const GgufExportRequest& request) {
  check_gguf_target(request);
  const SourceConfig config(request.source);
  require_family(config);
  GgufKeys keys;
  keys.add_text("general.architecture", config.architecture().name);
  keys.add_text("general.type", "model");
  keys.add_text("general.name", request.name);
  keys.add_u32("general.file_type", file_type_of(request.type));
  keys.add_u32("general.quantization_version", 2);
  add_architecture_keys(config, keys);
  std::vector<GgufTensorToWrite> tensors;
  add_rope(config, keys, tensors);
  for (const TensorToWrite& tensor : request.tensors) {
    tensors.push_back(tensor_of(tensor, config, request.type));
    if (tensors.back().name == "token_embd.weight")
      keys.add_u32(config.key("vocab_size"), static_cast<std::uint32_t>(tensor.shape.front()));
  }
  keys.add(request.tokenizer);
  if (!request.trained_use.empty()) keys.add_text(kTrainedUseKey, request.trained_use);
  write_gguf(request.target, keys, tensors);
}

}  // namespace temper

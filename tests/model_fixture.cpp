#include "tests/model_fixture.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "model/weights.h"
#include "tests/places.h"
#include "tests/shared_data.h"

namespace temper::testing_support {
namespace {

constexpr std::string_view kShared = "shared/";

nlohmann::json read_json(const std::filesystem::path& path) {
  std::ifstream file(path);
  return nlohmann::json::parse(file);
}

/// The older fixtures of the shared folder do not say their task, but their names do.
const TaskSpec& task_of(const nlohmann::json& facts, const std::string& name) {
  if (facts.contains("task")) return task_named(facts.at("task").get<std::string>());
  for (const auto& [part, task] :
       {std::pair{"regression", "regression"}, std::pair{"multilabel", "multi-label"},
        std::pair{"tokens", "token-classification"}, std::pair{"masked-lm", "masked-lm"},
        std::pair{"causal", "causal-lm"}, std::pair{"llama-lora", "causal-lm"},
        std::pair{"llama-dora-lora", "causal-lm"}, std::pair{"-image", "image-classification"}})
    if (name.find(part) != std::string::npos) return task_named(task);
  return task_named("sequence-classification");
}

bool reads_tokens(const HeadRequest& request) {
  return request.kind != HeadKind::sequence && request.kind != HeadKind::image;
}

/// Values [images, channels, height, width] as [images, height, width, channels].
std::vector<float> channels_last(std::span<const float> values, std::span<const std::int64_t> shape) {
  const std::int64_t channels = shape[1];
  const std::int64_t pixels = shape[2] * shape[3];
  std::vector<float> turned(values.size());
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(values.size()); ++i) {
    const std::int64_t image = i / (channels * pixels);
    const std::int64_t channel = i / pixels % channels;
    turned[static_cast<std::size_t>((image * pixels + i % pixels) * channels + channel)] =
        values[static_cast<std::size_t>(i)];
  }
  return turned;
}

/// What some of the older fixtures of the shared folder call parameters, by the names of model files: a file beside
/// `models` says what lies where of the tensors of model files.
std::map<std::string, std::string> names_in_transformers(const std::string& name) {
  if (!name.starts_with(kShared)) return {};
  const std::filesystem::path path = shared_directory() / "fixtures" / (name.substr(kShared.size()) + ".names.json");
  std::map<std::string, std::string> names;
  if (!std::filesystem::exists(path)) return names;
  const nlohmann::json places = read_json(path);  // which items() refers to
  for (const auto& [in_transformers, place] : places.items()) names[place.at(0).get<std::string>()] = in_transformers;
  return names;
}

std::vector<std::string> frozen_of(const nlohmann::json& facts, const std::string& name) {
  if (facts.contains("frozen")) return facts.at("frozen").get<std::vector<std::string>>();
  if (name.ends_with("bert-frozen")) return {"embeddings", "encoder.layer.0-1"};
  return {};
}

}  // namespace

std::filesystem::path fixture_folder(const std::string& name) {
  if (name.starts_with(kShared)) return shared_directory() / "fixtures/models" / name.substr(kShared.size());
  return source_directory() / "tests/fixtures" / name;
}

std::vector<std::string> own_fixtures() {
  return {"bert-classification",
          "bert-frozen",
          "bert-masked-lm",
          "roberta-multilabel",
          "roberta-tokens",
          "roberta-masked-lm",
          "distilbert-regression",
          "distilbert-masked-lm",
          "bert-silu",
          "xlm-roberta-classification",
          "xlm-roberta-masked-lm",
          "camembert-tokens",
          "electra-multilabel",
          "electra-tokens",
          "electra-masked-lm",
          "albert-classification",
          "albert-tokens",
          "albert-masked-lm",

          "mpnet-classification",
          "mpnet-tokens",
          "mpnet-masked-lm",
          "deberta-v2-tokens",
          "deberta-v2-multilabel",
          "deberta-v2-masked-lm",
          "deberta-v2-new-masked-lm",
          "modernbert-multilabel",
          "modernbert-regression",
          "modernbert-tokens",
          "modernbert-masked-lm",
          "bert-untied-masked-lm",
          "gpt2-causal",
          "gpt2-untied-causal",
          "gpt2-classification",
          "gpt2-tokens",
          "llama-causal",
          "llama-classification",
          "llama-regression",
          "llama-tokens",
          "llama-dynamic-causal",
          "mistral-causal",
          "mistral-classification",
          "qwen2-causal",
          "qwen2-multilabel",
          "qwen3-causal",
          "qwen3-tokens",
          "gemma2-causal",
          "gemma2-classification",
          "gemma3-text-causal",
          "gemma3-text-classification",
          "phi3-causal",
          "phi3-tokens",
          "olmo2-causal",
          "olmo2-multilabel",
          "gpt-neox-causal",
          "gpt-neox-tied-causal",
          "gpt-neox-tokens",
          "gpt-neox-classification",
          "cohere-causal",
          "cohere-untied-causal",
          "smollm3-causal",
          "smollm3-tokens"};
}

std::vector<std::string> own_image_fixtures() {
  return {"vit-multilabel-image", "deit-regression-image", "dinov2-resized-image", "dinov2-registers-image",
          "swin-image"};
}

std::vector<std::string> timm_fixtures() {
  return {"timm-vit",          "timm-deit-distilled", "timm-dinov2-registers",  "timm-swin",         "timm-swin-old",
          "timm-resnet-basic", "timm-convnext",       "timm-resnet-bottleneck", "timm-convnext-atto"};
}

std::vector<std::string> parity_fixtures() {
  std::vector<std::string> names = bfloat16_fixtures();
  for (const char* name : {"xlm-roberta-classification",
                           "camembert-classification",
                           "electra-classification",
                           "albert-classification",
                           "albert-groups-classification",
                           "mpnet-classification",
                           "deberta-v2-classification",
                           "deberta-v2-unshared-classification",
                           "modernbert-cls-classification",
                           "modernbert-mean-classification",
                           "modernbert-masked-lm",
                           "gpt2-causal",
                           "llama-causal",
                           "llama-classification",
                           "llama-bias-causal",
                           "llama3-rope-causal",
                           "llama-linear-rope-causal",
                           "llama-dynamic-rope-causal",
                           "llama-yarn-causal",
                           "mistral-window-causal",
                           "qwen2-causal",
                           "qwen3-causal",
                           "qwen3-tied-causal",
                           "gemma2-causal",
                           "gemma3-text-causal",
                           "phi3-causal",
                           "phi3-longrope-causal",
                           "olmo2-causal",
                           "gpt-neox-causal",
                           "gpt-neox-sequential-causal",
                           "cohere-causal",
                           "smollm3-causal",
                           "resnet-image",
                           "resnet-bottleneck-image",
                           "convnext-image",
                           "vit-image",
                           "vit-grey-image",
                           "deit-image",
                           "dinov2-image",
                           "dinov2-interpolated-image"})
    names.push_back(std::string(kShared) + name);
  return names;
}

std::vector<std::string> bfloat16_fixtures() {
  std::vector<std::string> names = own_fixtures();
  for (const std::string& name : own_image_fixtures()) names.push_back(name);
  for (const char* name : {"bert-classification", "bert-regression", "bert-multilabel", "bert-tokens", "bert-masked-lm",
                           "bert-frozen", "roberta-classification", "distilbert-classification"})
    names.push_back(std::string(kShared) + name);
  return names;
}

std::vector<std::string> own_adapter_fixtures() {
  return {"gpt2-adapter",     "phi3-adapter",       "bert-adapter",        "deberta-v2-adapter", "albert-adapter",
          "gpt-neox-adapter", "modernbert-adapter", "gemma3-text-adapter", "roberta-adapter",    "distilbert-adapter"};
}

std::vector<std::string> adapter_fixtures() {
  std::vector<std::string> names = own_adapter_fixtures();
  for (const char* name : {"bert-lora", "gpt2-lora", "llama-bf16-lora", "llama-bias-all-lora", "llama-bias-own-lora",
                           "llama-dora-all-lora", "llama-dora-lora", "llama-embedding-lora", "llama-lora",
                           "llama-pattern-lora", "llama-rslora", "llama-saved-modules-lora", "llama-some-layers-lora"})
    names.push_back(std::string(kShared) + name);
  return names;
}

std::string test_name(const testing::TestParamInfo<std::string>& fixture) {
  std::string name = fixture.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-' || c == '/'; }, '_');
  return name;
}

TokenStore rows_of(const Batch& batch, int times) {
  TokenRows rows;
  rows.ids = batch.text().ids;
  rows.types = batch.text().types;
  rows.starts.assign(batch.sequence_starts.begin(), batch.sequence_starts.end());
  rows.classes = batch.classes;
  rows.targets = batch.targets;
  rows.target_width = batch.target_width;
  return TokenStore(concatenate(std::vector<TokenRows>(static_cast<std::size_t>(times), rows)));
}

ModelFixture::ModelFixture(const std::string& name)
    : folder(fixture_folder(name)),
      config(read_model_config(folder)),
      weights(WeightFiles::open(folder)),
      expected(folder / "expected.safetensors") {
  const nlohmann::json facts = read_json(folder / "fixture.json");
  task = &task_of(facts, name);
  request = {task->head, expected.tensors().at("logits").shape.back(), {task->loss}};
  frozen = frozen_of(facts, name);
  if (facts.contains("after_steps_not_determined_in_f32"))
    facts["after_steps_not_determined_in_f32"].get_to(undetermined);
  names_in_transformers_ = names_in_transformers(name);
  pack_inputs(SafetensorsFile(folder / "inputs.safetensors"));
}

std::unique_ptr<Model> ModelFixture::load(Device& device) const {
  std::unique_ptr<Model> model = make_model(config, request, dropout);
  const LoadReport report = load_weights(*model, weights, device, {});
  EXPECT_TRUE(report.initialized.empty());
  EXPECT_TRUE(report.unexpected.empty());
  return model;
}

void ModelFixture::set_key(const std::string& key, const std::string& value) {
  nlohmann::ordered_json json = nlohmann::ordered_json::parse(config.json);
  json[key] = nlohmann::ordered_json::parse(value);
  config = parse_model_config(json.dump(), folder);
}

void ModelFixture::pack_inputs(const SafetensorsFile& inputs) {
  if (inputs.tensors().contains("pixel_values")) {
    pack_images(inputs);
  } else {
    pack_texts(inputs);
  }
  const TensorView& labels = inputs.tensors().at("labels");
  if (labels.type == StoredType::f32) {
    batch.targets = values_of<float>(labels);
    batch.target_width = static_cast<std::int32_t>(request.labels);
  } else if (!reads_tokens(request)) {
    const auto classes = values_of<std::int64_t>(labels);
    batch.classes.assign(classes.begin(), classes.end());
  }
}

void ModelFixture::pack_images(const SafetensorsFile& inputs) {
  const TensorView& view = inputs.tensors().at("pixel_values");
  Pixels pixels;
  pixels.values = channels_last(values_of<float>(view), view.shape);
  pixels.channels = static_cast<std::int32_t>(view.shape[1]);
  pixels.height = static_cast<std::int32_t>(view.shape[2]);
  pixels.width = static_cast<std::int32_t>(view.shape[3]);
  const std::int64_t tokens = config.images.tokens({pixels.height, pixels.width});
  batch.content = std::move(pixels);
  for (std::int64_t image = 0; image < view.shape[0]; ++image) {
    for (std::int64_t token = 0; token < tokens; ++token) batch.positions.push_back(static_cast<std::int32_t>(token));
    batch.examples.push_back(static_cast<std::uint32_t>(image));
    batch.sequence_starts.push_back(static_cast<std::int32_t>(batch.positions.size()));
  }
}

std::vector<std::int64_t> ModelFixture::stages_of_hidden_states(const Model& model) const {
  std::vector<std::int64_t> stages{1};
  const nlohmann::ordered_json json = nlohmann::ordered_json::parse(config.json);
  if (is_of_images(request.kind) && json.contains("depths")) {
    for (const auto& depth : json["depths"]) stages.push_back(stages.back() + depth.get<std::int64_t>());
  } else {
    while (stages.back() < model.stages()) stages.push_back(stages.back() + 1);
  }
  return stages;
}

Batch ModelFixture::part_of_batch(std::size_t first, std::size_t count) const {
  const std::int32_t begin = batch.sequence_starts[first];
  const std::int32_t end = batch.sequence_starts[first + count];
  const auto part = [&](const std::vector<std::int32_t>& of_tokens) {
    return std::vector<std::int32_t>(of_tokens.begin() + begin, of_tokens.begin() + end);
  };
  Batch some;
  if (const auto* images = std::get_if<Pixels>(&batch.content)) {
    Pixels pixels = *images;
    const auto values = static_cast<std::ptrdiff_t>(batch.image_extent().pixels() * images->channels);
    pixels.values.assign(images->values.begin() + static_cast<std::ptrdiff_t>(first) * values,
                         images->values.begin() + static_cast<std::ptrdiff_t>(first + count) * values);
    some.content = std::move(pixels);
  } else {
    some.content = Tokens{part(batch.text().ids), part(batch.text().types)};
  }
  some.positions = part(batch.positions);
  some.examples.assign(batch.examples.begin() + static_cast<std::ptrdiff_t>(first),
                       batch.examples.begin() + static_cast<std::ptrdiff_t>(first + count));
  for (std::size_t s = first; s < first + count; ++s)
    some.sequence_starts.push_back(batch.sequence_starts[s + 1] - begin);
  return some;
}

void ModelFixture::pack_texts(const SafetensorsFile& inputs) {
  const TensorView& ids_view = inputs.tensors().at("input_ids");
  const auto ids = values_of<std::int64_t>(ids_view);
  const auto mask = values_of<std::int64_t>(inputs.tensors().at("attention_mask"));
  const auto types = inputs.tensors().contains("token_type_ids")
                         ? values_of<std::int64_t>(inputs.tensors().at("token_type_ids"))
                         : std::vector<std::int64_t>(ids.size(), 0);
  const TensorView& label_view = inputs.tensors().at("labels");
  const auto labels =
      label_view.type == StoredType::f32 ? std::vector<std::int64_t>() : values_of<std::int64_t>(label_view);
  const std::int64_t length = ids_view.shape[1];
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto position = static_cast<std::int64_t>(i) % length;
    if (mask[i] != 0) {
      batch.text().ids.push_back(static_cast<std::int32_t>(ids[i]));
      batch.text().types.push_back(static_cast<std::int32_t>(types[i]));
      batch.positions.push_back(static_cast<std::int32_t>(position));
      kept_rows.push_back(static_cast<std::int64_t>(i));
      if (request.kind == HeadKind::causal_language_model) {
        // transformers is given the token itself for the place before it.
        const bool is_last = position + 1 == length || mask[i + 1] == 0;
        batch.classes.push_back(is_last ? kUnlabelled : static_cast<std::int32_t>(labels[i + 1]));
      } else if (reads_tokens(request)) {
        batch.classes.push_back(static_cast<std::int32_t>(labels[i]));
      }
    }
    if (position + 1 == length) {
      batch.examples.push_back(static_cast<std::uint32_t>(batch.examples.size()));
      batch.sequence_starts.push_back(static_cast<std::int32_t>(batch.text().ids.size()));
    }
  }
}

std::vector<float> ModelFixture::packed_rows(const std::string& tensor, bool labelled) const {
  const TensorView& view = expected.tensors().at(tensor);
  const auto padded = values_of<float>(view);
  if (is_of_images(request.kind)) return view.shape.size() == 4 ? channels_last(padded, view.shape) : padded;
  const std::int64_t columns = view.shape.back();
  std::vector<float> kept;
  for (std::size_t token = 0; token < kept_rows.size(); ++token) {
    if (labelled && batch.classes[token] == kUnlabelled) continue;
    const auto first = padded.begin() + kept_rows[token] * columns;
    kept.insert(kept.end(), first, first + columns);
  }
  return kept;
}

std::vector<float> ModelFixture::logits(bool labelled, const std::string& tensor) const {
  if (reads_tokens(request)) return packed_rows(tensor, labelled);
  return values_of<float>(expected.tensors().at(tensor));
}

bool ModelFixture::is_rounding(std::span<const float> gradient) const {
  const auto largest = [](std::span<const float> values) {
    float most = 0.0F;
    for (const float value : values) most = std::max(most, std::abs(value));
    return most;
  };
  float most = 0.0F;
  for (const auto& [name, view] : expected.tensors())
    if (name.starts_with("grad.")) most = std::max(most, largest(values_of<float>(view)));
  return largest(gradient) < 1e-6F * most;
}

namespace {

/// Of a parameter that lies so in the tensor `name`.
std::optional<std::vector<float>> values_of_form(const SafetensorsFile& file, const std::string& name,
                                                 const StoredForm& form, const Parameter& parameter) {
  const auto found = file.tensors().find(name);
  if (found == file.tensors().end()) return std::nullopt;
  const auto stored = values_of<float>(found->second);
  if (form.is_plain()) return stored;
  const std::int64_t rows = parameter.shape[0];
  const std::int64_t columns = parameter.size() / rows;
  const std::int64_t all_rows = form.rows > 0 ? form.rows : rows;
  std::vector<float> values;
  // The channels of each tap of a convolution's kernel lie side by side here, in files the taps of each channel.
  if (const std::int64_t taps = form.kernel.taps(); taps > 1 && !form.transposed) {
    const std::int64_t channels = columns / taps;
    for (std::int64_t row = 0; row < rows; ++row)
      for (std::int64_t tap = 0; tap < taps; ++tap)
        for (std::int64_t channel = 0; channel < channels; ++channel)
          values.push_back(stored[static_cast<std::size_t>((row * channels + channel) * taps + tap)]);
    return values;
  }
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t column = 0; column < columns; ++column)
      values.push_back(stored[static_cast<std::size_t>(form.transposed ? column * all_rows + form.row_of(row)
                                                                       : form.row_of(row) * columns + column)]);
  return values;
}

}  // namespace

std::optional<std::vector<float>> values_as_stored(const SafetensorsFile& file, const std::string& prefix,
                                                   const WeightNames& names, const Parameter& parameter) {
  const StoredForm form = names.forms_of(parameter).front();
  return values_of_form(file, prefix + form.name, form, parameter);
}

std::optional<std::vector<float>> ModelFixture::values_as_stored(const SafetensorsFile& file, const std::string& prefix,
                                                                 const WeightNames& names,
                                                                 const Parameter& parameter) const {
  const StoredForm form = names.forms_of(parameter).front();
  const auto renamed = names_in_transformers_.find(form.name);
  return values_of_form(file, prefix + (renamed == names_in_transformers_.end() ? form.name : renamed->second), form,
                        parameter);
}

BFloat16Reference ModelFixture::bfloat16() const {
  const std::string name = folder.filename().string();
  nlohmann::json facts = read_json(folder / "fixture.json");
  BFloat16Reference reference;
  facts = facts.contains("bf16") && facts["bf16"].contains("gradient_distances")
              ? facts.at("bf16")
              : read_json(source_directory() / "tests/runtime/bfloat16_reference/reference.json").at(name);
  facts.at("loss").get_to(reference.loss);
  facts.at("gradient_distances").get_to(reference.gradient_distances);
  facts.at("losses").get_to(reference.losses);
  facts.at("gradient_norms").get_to(reference.gradient_norms);
  facts.at("movement_distances").get_to(reference.movement_distances);
  if (expected.tensors().contains("bf16.logits"))
    reference.logits = logits(/*labelled=*/true, "bf16.logits");
  else if (!reads_tokens(request))
    facts.at("logits").get_to(reference.logits);
  return reference;
}

}  // namespace temper::testing_support

// A parity fixture: a tiny model with inputs, and what PyTorch computed from them. The project's own lie in
// tests/fixtures, others in the shared folder, where there is one. Padded inputs are packed here; the expected hidden
// states of padding are left out of every comparison. Images and their maps, channels first in PyTorch, are rows of
// pixels here.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/batch.h"
#include "data/token_store.h"
#include "model/architectures/model_config.h"
#include "model/architectures/registry.h"
#include "model/huggingface/safetensors.h"
#include "model/huggingface/weight_files.h"
#include "runtime/tasks/task.h"
#include "tensor/device.h"

namespace temper::testing_support {

template <typename T>
std::vector<T> values_of(const TensorView& tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

/// What PyTorch's bf16 (autocast) gives, and how far it lies from its f32.
struct BFloat16Reference {
  double loss = 0.0;
  std::vector<float> logits;                         ///< as the model gives them, padded; empty: not kept
  std::map<std::string, double> gradient_distances;  ///< of each parameter, as a share of the gradient's norm
  std::vector<double> losses;                        ///< of five steps
  std::vector<double> gradient_norms;
  std::map<std::string, double> movement_distances;  ///< after them, as a share of the way
};

struct ModelFixture {
  std::filesystem::path folder;
  ModelConfig config;
  WeightFiles weights;
  SafetensorsFile expected;
  const TaskSpec* task = nullptr;
  HeadRequest request;                  ///< of the task
  double dropout = -1.0;                ///< as make_model() takes it
  std::vector<std::string> frozen;      ///< what was not trained, as tuning.freeze names it
  Batch batch;                          ///< the inputs, packed
  std::vector<std::int64_t> kept_rows;  ///< row of the padded inputs that each packed token came from

  /// `name` as in parity_fixtures(). Throws Error where there is no such folder.
  explicit ModelFixture(const std::string& name);

  std::unique_ptr<Model> load(Device& device) const;
  /// Gives a key of config.json another value, written as JSON.
  void set_key(const std::string& key, const std::string& value);
  /// Rows [columns] of what PyTorch gave each token of the padded batch, without those of padding; with `labelled`,
  /// without tokens that have no label, too. Of images all rows, those of maps pixel by pixel.
  std::vector<float> packed_rows(const std::string& tensor, bool labelled = false) const;
  /// What PyTorch's logits are of the rows that the task reads: of every sequence, or of every token, or of those with
  /// a label. `tensor`: "logits" or "bf16.logits".
  std::vector<float> logits(bool labelled, const std::string& tensor = "logits") const;
  BFloat16Reference bfloat16() const;
  /// True where PyTorch's gradient of a parameter is nothing, as that of a bias of keys, which adds the same to all
  /// scores of a query: what a program finds is rounding, and AdamW, which divides a gradient by its own size, follows
  /// the sign of it.
  bool is_rounding(std::span<const float> gradient) const;
  /// What a file of expected values has of a parameter, under `prefix` and the name of model files, as it lies in the
  /// parameter; nothing where the file lacks it.
  std::optional<std::vector<float>> values_as_stored(const SafetensorsFile& file, const std::string& prefix,
                                                     const WeightNames& names, const Parameter& parameter) const;
  /// How many of the model's stages, from the bottom up, give "hidden_states.N", N being the place in the list. Stages
  /// of a convolutional net have several blocks, and transformers keeps what the last of them gives.
  std::vector<std::int64_t> stages_of_hidden_states(const Model& model) const;
  /// The images [first, first + count) or the texts of the inputs, as a batch.
  Batch part_of_batch(std::size_t first, std::size_t count) const;
  /// Tensors of the file that rounding to f32 decides after some steps, with how far PyTorch's f32 lies from f64.
  std::map<std::string, double> undetermined;

 private:
  void pack_inputs(const SafetensorsFile& inputs);
  void pack_texts(const SafetensorsFile& inputs);
  void pack_images(const SafetensorsFile& inputs);

  std::map<std::string, std::string> names_in_transformers_;  ///< by those of model files, where files go by them
};

/// The folder of a fixture, which may not exist where it is a shared one.
std::filesystem::path fixture_folder(const std::string& name);

/// The fixtures: those of the project ("bert-classification"), each architecture and each task among them, and those of
/// the shared folder ("shared/bert-classification").
std::vector<std::string> parity_fixtures();

/// Those of them with what PyTorch's bf16 gives.
std::vector<std::string> bfloat16_fixtures();

/// The same without the shared folder's.
std::vector<std::string> own_fixtures();

/// Those of images, without the shared folder's.
std::vector<std::string> own_image_fixtures();

/// Those of models that timm saved, which tell less than the others.
std::vector<std::string> timm_fixtures();

/// Those of adapters, whose model is the base and whose adapter/ is what PEFT saves.
std::vector<std::string> adapter_fixtures();
/// The same without the shared folder's.
std::vector<std::string> own_adapter_fixtures();

/// ModelFixture::values_as_stored where files go by the names of model files.
std::optional<std::vector<float>> values_as_stored(const SafetensorsFile& file, const std::string& prefix,
                                                   const WeightNames& names, const Parameter& parameter);

/// How a fixture is called among the instances of a test.
std::string test_name(const testing::TestParamInfo<std::string>& fixture);

/// A bias of BERT's, RoBERTa's or DistilBERT's keys, whose gradient is nothing (ModelFixture::is_rounding).
inline bool is_key_bias(const std::string& name) { return name.ends_with("key.bias") || name.ends_with("k_lin.bias"); }

/// The rows of a batch as a data set, `times` over.
TokenStore rows_of(const Batch& batch, int times = 1);

}  // namespace temper::testing_support

/// Skips the current test if the fixture is one of the shared folder and there is none.
#define TEMPER_REQUIRE_FIXTURE(name)                                           \
  if (!std::filesystem::exists(temper::testing_support::fixture_folder(name))) \
  GTEST_SKIP() << "skipped: no shared "                                        \
                  "data"

// A parity fixture: a tiny model with inputs, and what PyTorch computed from them. Padded inputs are packed here; the
// expected hidden states of padding are left out of every comparison.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/batch.h"
#include "model/huggingface/model_config.h"
#include "model/huggingface/safetensors.h"
#include "model/huggingface/weight_files.h"
#include "model/registry.h"
#include "model/weights.h"
#include "tensor/device.h"

namespace temper::testing_support {

template <typename T>
std::vector<T> values_of(const TensorView& tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

struct ModelFixture {
  std::filesystem::path folder;
  ModelConfig config;
  WeightFiles weights;
  SafetensorsFile expected;
  HeadRequest request;
  Batch batch;                          ///< the inputs, packed
  std::vector<std::int64_t> kept_rows;  ///< row of the padded inputs that each packed token came from

  explicit ModelFixture(const std::filesystem::path& path)
      : folder(path),
        config(read_model_config(path)),
        weights(WeightFiles::open(path)),
        expected(path / "expected.safetensors") {
    const std::string name = path.filename().string();
    request.task = name.find("regression") != std::string::npos   ? Task::regression
                   : name.find("multilabel") != std::string::npos ? Task::multi_label
                   : name.find("tokens") != std::string::npos     ? Task::token_classification
                   : name.find("masked-lm") != std::string::npos  ? Task::masked_lm
                                                                  : Task::sequence_classification;
    request.labels = expected.tensors().at("logits").shape.back();
    pack_inputs(SafetensorsFile(path / "inputs.safetensors"));
  }

  std::unique_ptr<Model> load(Device& device) const {
    std::unique_ptr<Model> model = make_model(config, request);
    const LoadReport report = load_weights(*model, weights, device, {});
    EXPECT_TRUE(report.initialized.empty());
    EXPECT_TRUE(report.unexpected.empty());
    return model;
  }

 private:
  void pack_inputs(const SafetensorsFile& inputs) {
    const TensorView& ids_view = inputs.tensors().at("input_ids");
    const auto ids = values_of<std::int64_t>(ids_view);
    const auto mask = values_of<std::int64_t>(inputs.tensors().at("attention_mask"));
    const TensorView& label_view = inputs.tensors().at("labels");
    const std::int64_t length = ids_view.shape[1];
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto position = static_cast<std::int64_t>(i) % length;
      if (mask[i] != 0) {
        batch.ids.push_back(static_cast<std::int32_t>(ids[i]));
        batch.types.push_back(0);
        batch.positions.push_back(static_cast<std::int32_t>(position));
        kept_rows.push_back(static_cast<std::int64_t>(i));
        if (is_token_task(request.task))
          batch.classes.push_back(static_cast<std::int32_t>(values_of<std::int64_t>(label_view)[i]));
      }
      if (position + 1 == length) {
        batch.examples.push_back(static_cast<std::uint32_t>(batch.examples.size()));
        batch.sequence_starts.push_back(static_cast<std::int32_t>(batch.ids.size()));
      }
    }
    if (label_view.type == StoredType::f32) {
      batch.targets = values_of<float>(label_view);
      batch.target_width = static_cast<std::int32_t>(request.labels);
    } else if (!is_token_task(request.task)) {
      for (const std::int64_t label : values_of<std::int64_t>(label_view))
        batch.classes.push_back(static_cast<std::int32_t>(label));
    }
  }
};

/// The rows of a batch as a data set, `times` over.
inline Dataset rows_of(const Batch& batch, int times = 1) {
  Dataset rows;
  rows.ids = batch.ids;
  rows.types = batch.types;
  rows.starts.assign(batch.sequence_starts.begin(), batch.sequence_starts.end());
  rows.classes = batch.classes;
  rows.targets = batch.targets;
  rows.target_width = batch.target_width;
  return concatenate(std::vector<Dataset>(static_cast<std::size_t>(times), rows));
}

/// The fixtures of the encoders.
inline std::vector<std::string> encoder_fixtures() {
  return {"bert-classification", "bert-regression", "bert-multilabel",        "bert-tokens",
          "bert-masked-lm",      "bert-frozen",     "roberta-classification", "distilbert-classification"};
}

/// What bert-frozen freezes.
inline std::vector<std::string> frozen_patterns(const std::string& fixture) {
  if (fixture != "bert-frozen") return {};
  return {"embeddings", "encoder.layer.0-1"};
}

}  // namespace temper::testing_support

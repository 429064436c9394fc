// Dropout of adapters in models of images, where the rows of a matrix inside the network are places of an image and no
// tokens of the last hidden state.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "model/adapters/lora.h"
#include "model/architectures/registry.h"
#include "model/freezing.h"
#include "tensor/device.h"
#include "tests/model/image_batch.h"
#include "tests/model/packed_batch.h"

namespace temper {
namespace {

using testing_support::draw_all;
using testing_support::ImageBatch;
using Values = std::vector<float>;

constexpr const char* kSwin =
    R"({"model_type":"swin","image_size":[14,20],"patch_size":2,"embed_dim":6,"depths":[2,2],"num_heads":[2,3],)"
    R"("window_size":3,"mlp_ratio":2.0,"drop_path_rate":0.0})";
constexpr const char* kConvNext =
    R"({"model_type":"convnext","num_stages":2,"hidden_sizes":[6,10],"depths":[2,1],"patch_size":2,)"
    R"("layer_scale_init_value":0.7})";
constexpr ImageExtent kExtent{14, 20};
constexpr float kRate = 0.25F;

class ImageLora : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    draw_all(*model_, *device_);
    LoraSettings settings;
    settings.rank = 3;
    settings.alpha = 6.0;
    settings.preset = TargetPreset::all_linear;
    settings.dropout = kRate;
    attach_lora(*model_, *device_, settings, 7, "lora.targets");
    for (const Parameter& parameter : model_->parameters().all()) {
      if (parameter.role != ParameterRole::adapter) continue;
      Values values(static_cast<std::size_t>(parameter.size()));
      initialize(values, parameter.shape, Initialization::normal(0.3F), 11, parameter.name);
      parameter.variable.set_value(device_->upload(std::span<const float>(values), parameter.shape));
    }
    apply_freezing(*model_, {});
  }

  /// Of images that are waves of different lengths, examples from `first` on.
  Values logits(std::uint32_t first, std::uint32_t count, std::uint64_t step, Tape::Mode mode = Tape::Mode::training) {
    Values pixels;
    for (std::uint32_t image = first; image < first + count; ++image)
      for (std::int64_t i = 0; i < kExtent.pixels() * 3; ++i)
        pixels.push_back(std::sin((0.2F + 0.1F * static_cast<float>(image)) * static_cast<float>(i)));
    const ImageBatch batch(*device_, config_.images, kExtent, pixels, first);
    Tape tape(*device_, mode, random_key(3, step));
    return device_->download_as_f32(model_->forward(tape, batch.input, batch.first_tokens).value());
  }

  ModelConfig config_ = parse_model_config(GetParam(), "");
  std::unique_ptr<Device> device_ = make_cpu_device();
  std::unique_ptr<Model> model_ = make_model(config_, {HeadKind::image, 3});
};

TEST_P(ImageLora, WhatIsDroppedDoesNotDependOnTheOtherImages) {
  const Values together = logits(0, 4, 5);
  Values apart;
  for (const std::uint32_t first : {0U, 2U}) {
    const Values part = logits(first, 2, 5);
    apart.insert(apart.end(), part.begin(), part.end());
  }
  EXPECT_EQ(apart, together);
  EXPECT_NE(logits(0, 4, 6), together) << "another step draws others";
  EXPECT_NE(logits(0, 4, 5, Tape::Mode::evaluation), together);
}

TEST_P(ImageLora, LayersAndImagesDropTheirOwn) {
  // Two equal images under two names.
  const Values first = logits(0, 1, 5);
  Values pixels;
  for (std::int64_t i = 0; i < kExtent.pixels() * 3; ++i) pixels.push_back(std::sin(0.2F * static_cast<float>(i)));
  const ImageBatch batch(*device_, config_.images, kExtent, pixels, 9);
  Tape tape(*device_, Tape::Mode::training, random_key(3, 5));
  EXPECT_NE(device_->download_as_f32(model_->forward(tape, batch.input, batch.first_tokens).value()), first);
}

std::string network_name(const testing::TestParamInfo<const char*>& network) {
  return network.index == 0 ? "swin" : "convnext";
}

INSTANTIATE_TEST_SUITE_P(Networks, ImageLora, testing::Values(kSwin, kConvNext), network_name);

}  // namespace
}  // namespace temper

// ViT, DeiT, DINOv2 and Swin: what is read of their configurations, and what they make of images of another size than
// they were made for.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "base/error.h"
#include "model/architectures/model_config.h"
#include "model/architectures/registry.h"
#include "model/huggingface/export.h"
#include "model/weights.h"
#include "tensor/host_copy.h"
#include "tests/model/huggingface/test_folder.h"
#include "tests/model/image_batch.h"
#include "tests/model/packed_batch.h"
#include "tests/places.h"

namespace temper {
namespace {

using testing_support::draw_all;
using testing_support::expect_refusal;
using testing_support::ImageBatch;

ModelConfig vision_config(const std::string& type, const std::string& more = "") {
  return parse_model_config("{\"model_type\":\"" + type + "\"" + more + "}", "some/folder");
}

std::unique_ptr<Model> image_model(const ModelConfig& config) { return make_model(config, {HeadKind::image, 3}); }

TEST(VisionTransformers, DefaultsAreThoseOfTransformers) {
  for (const char* type : {"vit", "deit", "dinov2", "dinov2_with_registers"}) {
    const ModelConfig config = vision_config(type);
    EXPECT_EQ(config.width, 768) << type;
    EXPECT_EQ(config.layers, 12) << type;
    EXPECT_EQ(config.heads, 12) << type;
    EXPECT_EQ(config.intermediate_width, 3072) << type;
    EXPECT_EQ(config.images.channels, 3) << type;
    EXPECT_EQ(config.images.extent, (ImageExtent{224, 224})) << type;
    EXPECT_TRUE(config.reads_images());
  }
  const ModelConfig swin = vision_config("swin");
  EXPECT_EQ(swin.width, 768);
  EXPECT_EQ(swin.layers, 12);
  EXPECT_EQ(swin.images.extent, (ImageExtent{224, 224}));
}

TEST(VisionTransformers, TokensAreThePatchesAndWhatIsBeforeThem) {
  const auto tokens = [](const char* type, ImageExtent extent) { return vision_config(type).images.tokens(extent); };
  EXPECT_EQ(tokens("vit", {224, 224}), 197);
  EXPECT_EQ(tokens("vit", {32, 48}), 7);
  EXPECT_EQ(tokens("deit", {224, 224}), 198);
  EXPECT_EQ(tokens("dinov2", {224, 224}), 257);
  EXPECT_EQ(tokens("dinov2_with_registers", {224, 224}), 201);
  EXPECT_EQ(tokens("swin", {224, 224}), 49);
  EXPECT_EQ(tokens("swin", {228, 256}), 8 * 8);
  for (const char* type : {"vit", "swin"}) {
    const std::string patch = std::string(type) == "vit" ? "16" : "4";
    expect_refusal([&] { (void)tokens(type, {224, 226}); }, {"width", "226", "multiple of " + patch});
    expect_refusal([&] { (void)tokens(type, {223, 224}); }, {"height", "223", "multiple of " + patch});
    expect_refusal([&] { (void)tokens(type, {0, 224}); }, {"height", "0"});
  }
}

TEST(VisionTransformers, SizesAreNumbersOrPairs) {
  const ModelConfig pair = vision_config("vit", R"(,"image_size":[64,96],"patch_size":[8,16],"num_channels":1)");
  EXPECT_EQ(pair.images.extent, (ImageExtent{64, 96}));
  EXPECT_EQ(pair.images.channels, 1);
  EXPECT_EQ(pair.images.tokens({64, 96}), 1 + 8 * 6);
  const auto model = image_model(pair);
  EXPECT_EQ(model->parameters().find("vit.embeddings.patch_embeddings.projection.weight")->shape,
            Shape({768, 1, 8, 16}));
  EXPECT_EQ(model->parameters().find("vit.embeddings.position_embeddings")->shape, Shape({1, 49, 768}));
  for (const char* wrong : {R"("224")", "0", "-1", "[224]", "[224,224,3]", "[224,0]", "2.5", "null", "70000"})
    expect_refusal([&] { (void)vision_config("vit", std::string(",\"image_size\":") + wrong); },
                   {"config.json", "image_size"});
  expect_refusal([] { (void)vision_config("vit", R"(,"image_size":8)"); }, {"patch_size", "8 x 8"});
}

TEST(VisionTransformers, KeysOutOfRangeAreRefused) {
  for (const auto& [more, key] :
       {std::pair{R"(,"hidden_act":"gelu9")", "hidden_act"}, std::pair{R"(,"qkv_bias":1)", "qkv_bias"},
        std::pair{R"(,"num_channels":0)", "num_channels"}, std::pair{R"(,"num_attention_heads":7)", "heads"},
        std::pair{R"(,"layer_norm_eps":-1)", "layer_norm_eps"}})
    expect_refusal([more = more] { (void)vision_config("vit", more); }, {"config.json", key});
  for (const auto& [more, key] :
       {std::pair{R"(,"mlp_ratio":0)", "mlp_ratio"}, std::pair{R"(,"drop_path_rate":1.5)", "drop_path_rate"},
        std::pair{R"(,"use_swiglu_ffn":"yes")", "use_swiglu_ffn"}})
    expect_refusal([more = more] { (void)vision_config("dinov2", more); }, {"config.json", key});
  for (const auto& [more, key] :
       {std::pair{R"(,"depths":[2,2])", "heads"}, std::pair{R"(,"depths":2)", "depths"},
        std::pair{R"(,"num_heads":[5,6,12,24])", "num_heads"}, std::pair{R"(,"window_size":0)", "window_size"},
        std::pair{R"(,"hidden_dropout_prob":0.1)", "hidden_dropout_prob"}})
    expect_refusal([more = more] { (void)vision_config("swin", more); }, {"config.json", key});
}

TEST(VisionTransformers, AHeadOverTextsIsRefused) {
  expect_refusal(
      [] {
        make_model(vision_config("vit"), {HeadKind::sequence, 2});
      },
      {"ViTForSequenceClassification", "ViTForImageClassification"});
  expect_refusal([] { make_model(vision_config("bert"), {HeadKind::image, 2}); }, {"BertForImageClassification"});
  EXPECT_EQ(image_model(vision_config("dinov2_with_registers"))->class_name(),
            "Dinov2WithRegistersForImageClassification");
}

/// [images, height, width, channels], as transformers was given them beside channels first.
std::vector<float> waves(std::int64_t count) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i)
    values.push_back(static_cast<float>(std::sin(0.37 * static_cast<double>(i))));
  return values;
}

std::filesystem::path folder_of(const std::string& fixture) {
  return testing_support::source_directory() / "tests/fixtures" / fixture;
}

/// Of two images of this size.
std::vector<float> logits_at(const std::filesystem::path& folder, ImageExtent extent) {
  const ModelConfig config = read_model_config(folder);
  const WeightFiles files = WeightFiles::open(folder);
  const std::unique_ptr<Device> device = make_cpu_device();
  const auto model = make_model(config, {HeadKind::image, static_cast<std::int64_t>(config.labels.size())});
  const LoadReport report = load_weights(*model, files, *device, {});
  EXPECT_TRUE(report.initialized.empty());
  EXPECT_TRUE(report.unexpected.empty());
  const ImageBatch batch(*device, config.images, extent, waves(2 * extent.pixels() * config.images.channels));
  Tape tape(*device, Tape::Mode::evaluation);
  const Variable logits = model->forward(tape, batch.input, batch.first_tokens);
  return device->download_as_f32(logits.value());
}

void expect_near(const std::vector<float>& actual, const std::vector<float>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i)
    EXPECT_NEAR(actual[i], expected[i], 1e-5 * (1.0 + std::abs(expected[i]))) << i;
}

// What transformers 5.24 gives in double precision; for DeiT with interpolate_pos_encoding.
TEST(VisionTransformers, PositionsAreResizedToTheImagesAsTransformersDoesIt) {
  expect_near(logits_at(folder_of("deit-regression-image"), {16, 12}), {1.398769F, 1.472333F});
  expect_near(logits_at(folder_of("dinov2-resized-image"), {12, 12}),
              {-0.7382951F, 0.2858777F, 0.4251362F, -0.7744419F, 0.2914388F, 0.3382394F});
  expect_near(logits_at(folder_of("dinov2-resized-image"), {20, 8}),
              {-0.9949295F, 0.2310627F, 0.3126923F, -1.082436F, 0.1620122F, 0.3415359F});
  expect_near(logits_at(folder_of("dinov2-registers-image"), {20, 20}),
              {0.484361F, 0.7348719F, 0.8200841F, 0.527815F, 0.5323944F, 0.8686192F});
  expect_near(logits_at(folder_of("dinov2-registers-image"), {24, 28}),
              {0.8686043F, 0.4294181F, 0.8240388F, 0.8750671F, 0.6011923F, 0.8135494F});
}

// What transformers reads without being told to interpolate.
TEST(VisionTransformers, AnExportForAnotherSizeHasPositionsOfThatSize) {
  const std::filesystem::path source = folder_of("deit-regression-image");
  const ModelConfig config = read_model_config(source);
  const WeightFiles files = WeightFiles::open(source);
  const std::unique_ptr<Device> device = make_cpu_device();
  const auto model = make_model(config, {HeadKind::image, 1});
  load_weights(*model, files, *device, {});
  EXPECT_FALSE(StoredWeights(*model, *device, {8, 8}).is_resized());
  EXPECT_FALSE(StoredWeights(*model, *device).is_resized());
  const StoredWeights weights(*model, *device, {16, 12});
  EXPECT_TRUE(weights.is_resized());
  testing_support::TestFolder folder;
  ExportRequest request;
  request.source_folder = source;
  request.target_folder = folder.path() / "exported";
  request.architecture = model->class_name();
  request.outputs = 1;
  request.tensors = weights.tensors();
  request.image_size = {16, 12};
  export_model(request);
  EXPECT_EQ(read_model_config(request.target_folder).images.extent, (ImageExtent{16, 12}));
  expect_near(logits_at(request.target_folder, {16, 12}), {1.398769F, 1.472333F});
  // Positions that the model has for any size stay as they are.
  const ModelConfig any = read_model_config(folder_of("dinov2-resized-image"));
  const WeightFiles any_files = WeightFiles::open(folder_of("dinov2-resized-image"));
  const auto dino = make_model(any, {HeadKind::image, 3});
  load_weights(*dino, any_files, *device, {});
  EXPECT_FALSE(StoredWeights(*dino, *device, {8, 8}).is_resized());
}

TEST(VisionTransformers, StochasticDepthGoesByTheExample) {
  const ModelConfig config = vision_config(
      "dinov2", R"(,"image_size":8,"patch_size":4,"hidden_size":8,"num_attention_heads":2,"num_hidden_layers":3,)"
                R"("mlp_ratio":2,"drop_path_rate":0.5)");
  const std::unique_ptr<Device> device = make_cpu_device();
  const auto model = image_model(config);
  draw_all(*model, *device);
  const std::vector<float> pixels = waves(4 * 64 * 3);
  const auto logits = [&](std::span<const float> values, std::uint32_t first, Tape::Mode mode, std::uint64_t step) {
    Tape tape(*device, mode, random_key(3, step));
    const ImageBatch batch(*device, config.images, {8, 8}, {values.begin(), values.end()}, first);
    return device->download_as_f32(model->forward(tape, batch.input, batch.first_tokens).value());
  };
  const std::vector<float> together = logits(pixels, 0, Tape::Mode::training, 1);
  EXPECT_EQ(together, logits(pixels, 0, Tape::Mode::training, 1));
  EXPECT_NE(together, logits(pixels, 0, Tape::Mode::training, 2));
  EXPECT_NE(together, logits(pixels, 0, Tape::Mode::evaluation, 1));
  for (std::uint32_t image = 0; image < 4; ++image) {
    const std::vector<float> alone =
        logits(std::span(pixels).subspan(image * 192, 192), image, Tape::Mode::training, 1);
    EXPECT_EQ(alone, std::vector<float>(together.begin() + 3 * image, together.begin() + 3 * image + 3));
  }
}

TEST(Swin, TellsTheShapeAboveEachBlock) {
  const ModelConfig config = vision_config(
      "swin", R"(,"image_size":32,"patch_size":2,"embed_dim":6,"depths":[1,2,1],"num_heads":[1,2,3],"window_size":3)");
  const std::unique_ptr<Device> device = make_cpu_device();
  const auto model = image_model(config);
  draw_all(*model, *device);
  const ImageExtent extent{18, 10};
  const ImageBatch batch(*device, config.images, extent, waves(2 * 180 * 3));
  Tape tape(*device, Tape::Mode::evaluation);
  for (std::int64_t stages = 1; stages <= model->stages(); ++stages) {
    const HiddenShape shape = model->hidden_shape(stages, config.images.tokens(extent), extent);
    const Variable hidden = model->hidden_state(tape, batch.input, batch.first_tokens, stages);
    EXPECT_EQ(hidden.shape(), Shape({2 * shape.rows, shape.width})) << stages;
  }
  EXPECT_EQ(config.images.tokens(extent), 3 * 2);
  EXPECT_EQ(model->width(), 24);
}

}  // namespace
}  // namespace temper

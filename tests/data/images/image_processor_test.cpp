#include "data/images/image_processor.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "data/images/colour.h"
#include "tests/data/images/noise.h"

namespace temper {
namespace {

using testing_support::noise;
using Bytes = std::vector<std::uint8_t>;
using Floats = std::vector<float>;

ImageProcessor from_file(const std::string& text) { return parse_image_processor(text, "", "model"); }
ImageProcessor from_config(const std::string& text) { return parse_image_processor("", text, "model"); }

Floats pixels_of(const Picture& picture, const ImageProcessor& processor, std::int64_t channels) {
  Floats out(static_cast<std::size_t>(processor.extent().pixels() * channels));
  to_pixels(picture, processor, channels, out);
  return out;
}

std::string processor_error(const std::string& text) {
  try {
    from_file(text);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

// The files are those of google/vit-base-patch16-224, facebook/deit-base-patch16-224, facebook/dinov2-base,
// microsoft/resnet-50 and facebook/convnext-base-384.
TEST(ImageProcessor, ReadsWhatPublishedModelsHave) {
  const ImageProcessor vit = from_file(
      R"({"do_normalize": true, "do_resize": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "size": 224})");
  EXPECT_EQ(vit.resize_rule, ResizeRule::exact);
  EXPECT_EQ(vit.extent(), (ImageExtent{224, 224}));
  EXPECT_EQ(vit.filter, ResizeFilter::bilinear);
  EXPECT_EQ(vit.crop.pixels(), 0);
  EXPECT_EQ(vit.scale, 1.0 / 255.0);

  const ImageProcessor deit = from_file(
      R"({"crop_size": 224, "do_center_crop": true, "do_normalize": true, "do_resize": true, "feature_extractor_type":
      "DeiTFeatureExtractor", "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "resample": 3,
      "size": 256})");
  EXPECT_EQ(deit.resize_rule, ResizeRule::exact);
  EXPECT_EQ(deit.size, (ImageExtent{256, 256}));
  EXPECT_EQ(deit.extent(), (ImageExtent{224, 224}));
  EXPECT_EQ(deit.filter, ResizeFilter::bicubic);
  EXPECT_EQ(deit.mean, (std::vector<double>{0.485, 0.456, 0.406}));

  const ImageProcessor dinov2 = from_file(
      R"({"crop_size": {"height": 224, "width": 224}, "do_center_crop": true, "do_convert_rgb": true, "do_normalize": true,
      "do_rescale": true, "do_resize": true, "image_mean": [0.485, 0.456, 0.406], "image_processor_type":
      "BitImageProcessor", "image_std": [0.229, 0.224, 0.225], "resample": 3, "rescale_factor": 0.00392156862745098,
      "size": {"shortest_edge": 256}})");
  EXPECT_EQ(dinov2.resize_rule, ResizeRule::shortest_edge);
  EXPECT_EQ(dinov2.edge, 256);
  EXPECT_EQ(dinov2.extent(), (ImageExtent{224, 224}));

  const ImageProcessor resnet = from_file(
      R"({"crop_pct": 0.875, "do_normalize": true, "do_resize": true, "feature_extractor_type": "ConvNextFeatureExtractor",
      "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "resample": 3, "size": 224})");
  EXPECT_EQ(resnet.resize_rule, ResizeRule::shortest_edge);
  EXPECT_EQ(resnet.edge, 256);
  EXPECT_EQ(resnet.extent(), (ImageExtent{224, 224}));

  const ImageProcessor convnext = from_file(
      R"({"crop_pct": 0.875, "image_processor_type": "ConvNextImageProcessor", "resample": 3, "size": {"shortest_edge": 384}})");
  EXPECT_EQ(convnext.resize_rule, ResizeRule::exact);
  EXPECT_EQ(convnext.extent(), (ImageExtent{384, 384}));
}

TEST(ImageProcessor, HasTheDefaultsOfTheClassForMissingKeys) {
  const ImageProcessor bit = from_file(R"({"image_processor_type": "BitImageProcessorFast"})");
  EXPECT_EQ(bit.edge, 224);
  EXPECT_EQ(bit.crop, (ImageExtent{224, 224}));
  EXPECT_EQ(bit.filter, ResizeFilter::bicubic);
  EXPECT_EQ(bit.mean.front(), 0.48145466);
  const ImageProcessor deit = from_file(R"({"image_processor_type": "DeiTImageProcessor", "do_normalize": false})");
  EXPECT_EQ(deit.size, (ImageExtent{256, 256}));
  EXPECT_EQ(deit.crop, (ImageExtent{224, 224}));
  EXPECT_TRUE(deit.mean.empty());
  const ImageProcessor convnext = from_file(R"({"image_processor_type": "ConvNextImageProcessorPil"})");
  EXPECT_EQ(convnext.extent(), (ImageExtent{384, 384}));
  // Nothing is cut off, so the middle is kept.
  const ImageProcessor edge =
      from_file(R"({"image_processor_type": "ViTImageProcessor", "size": {"shortest_edge": 96}})");
  EXPECT_EQ(edge.extent(), (ImageExtent{96, 96}));
}

TEST(ImageProcessor, ReadsWhatTimmSays) {
  const ImageProcessor timm = from_config(
      R"({"architecture": "vit_base_patch16_224", "pretrained_cfg": {"input_size": [3, 224, 224], "interpolation":
      "bicubic", "crop_pct": 0.9, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "crop_mode": "center"}})");
  EXPECT_EQ(timm.edge, 248);
  EXPECT_EQ(timm.extent(), (ImageExtent{224, 224}));
  EXPECT_EQ(timm.filter, ResizeFilter::bicubic);
  EXPECT_EQ(timm.mean, (std::vector<double>{0.5, 0.5, 0.5}));
  const ImageProcessor squashed = from_config(
      R"({"pretrained_cfg": {"input_size": [3, 64, 96], "interpolation": "bilinear", "crop_pct": 1.0, "crop_mode": "squash"}})");
  EXPECT_EQ(squashed.resize_rule, ResizeRule::exact);
  EXPECT_EQ(squashed.extent(), (ImageExtent{64, 96}));
  EXPECT_THROW(from_config(R"({"pretrained_cfg": {"input_size": [3, 224, 224], "crop_mode": "border"}})"), Error);
  EXPECT_THROW(from_config(R"({"pretrained_cfg": {"input_size": 224}})"), Error);
}

TEST(ImageProcessor, TakesWhatTimmTakesWhereItsRuleSaysNothing) {
  for (const char* rule : {"{}", R"({"input_size": null, "num_classes": 2})"}) {
    const ImageProcessor timm = from_config(std::string(R"({"pretrained_cfg": )") + rule + "}");
    EXPECT_EQ(timm.extent(), (ImageExtent{224, 224}));
    EXPECT_EQ(timm.edge, 256) << "floor(224 / 0.875)";
    EXPECT_EQ(timm.mean, (std::vector<double>{0.485, 0.456, 0.406}));
    const std::string written = timm.to_pretrained_cfg();
    EXPECT_EQ(nlohmann::json::parse(written)["input_size"], (nlohmann::json{3, 224, 224}));
    EXPECT_EQ(from_config("{\"pretrained_cfg\": " + written + "}").to_pretrained_cfg(), written);
  }
}

TEST(ImageProcessor, WritesTimmsRuleBack) {
  const std::string config =
      R"({"pretrained_cfg": {"input_size": [3, 224, 224], "crop_pct": 0.95, "interpolation": "bilinear", "first_conv":
      "conv1", "mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7]}})";
  ImageProcessor timm = from_config(config);
  EXPECT_EQ(timm.edge, 235);
  timm.set_extent({96, 96});
  EXPECT_EQ(timm.edge, 101) << "floor(96 / 0.95)";
  const std::string written = timm.to_pretrained_cfg();
  const ImageProcessor again = from_config("{\"pretrained_cfg\": " + written + "}");
  EXPECT_EQ(again.edge, 101);
  EXPECT_EQ(again.extent(), (ImageExtent{96, 96}));
  EXPECT_EQ(again.filter, ResizeFilter::bilinear);
  EXPECT_EQ(again.mean, (std::vector<double>{0.1, 0.2, 0.3}));
  EXPECT_EQ(again.deviation, (std::vector<double>{0.5, 0.6, 0.7}));
  EXPECT_NE(written.find("\"first_conv\": \"conv1\""), std::string::npos) << written;
  EXPECT_NE(written.find("\"crop_pct\": 0.95"), std::string::npos) << written;
  EXPECT_NE(written.find("\"crop_mode\": \"center\""), std::string::npos) << written;
  EXPECT_THROW(timm.set_extent({96, 64}), Error);
  // As a file of transformers, for an adapter.
  EXPECT_EQ(parse_image_processor(timm.to_json(), "", "model").edge, 101);
}

TEST(ImageProcessor, TimmKeepsTheMiddleThatTorchvisionKeeps) {
  // 16 of 19 pixels: 1.5 before them is 2 in Python's rounding, and 0.5 of 17 is 0.
  for (const auto& [edge, before] : {std::pair{19, 2}, std::pair{17, 0}, std::pair{18, 1}, std::pair{21, 2}}) {
    Picture picture{{edge, edge}, 1, std::vector<std::uint8_t>(static_cast<std::size_t>(edge * edge), 0)};
    auto& samples = std::get<std::vector<std::uint8_t>>(picture.samples);
    for (std::size_t i = 0; i < samples.size(); ++i)
      samples[i] = static_cast<std::uint8_t>(i % static_cast<std::size_t>(edge));
    ImageProcessor timm = from_config(R"({"pretrained_cfg": {"input_size": [1, 16, 16], "crop_pct": 1.0}})");
    timm.edge = edge;
    EXPECT_EQ(std::get<std::vector<std::uint8_t>>(fitted(picture, timm).samples).front(), before) << edge;
  }
}

TEST(ImageProcessor, TakesTheModelsSizeWhereThereIsNoFile) {
  const ImageProcessor vit = from_config(R"({"model_type": "vit", "image_size": 32})");
  EXPECT_EQ(vit.extent(), (ImageExtent{32, 32}));
  EXPECT_EQ(vit.mean, (std::vector<double>{0.5, 0.5, 0.5}));
  EXPECT_EQ(vit.filter, ResizeFilter::bilinear);
  const ImageProcessor resnet = from_config(R"({"model_type": "resnet"})");
  EXPECT_EQ(resnet.extent(), (ImageExtent{224, 224}));
  EXPECT_EQ(resnet.crop.pixels(), 0);
  EXPECT_EQ(resnet.deviation, (std::vector<double>{0.229, 0.224, 0.225}));
  EXPECT_EQ(from_config(R"({"model_type": "swin", "image_size": [64, 32]})").extent(), (ImageExtent{64, 32}));
  EXPECT_EQ(from_config(R"({"model_type": "swin", "num_channels": 1})").mean, (std::vector<double>{0.5}));
}

TEST(ImageProcessor, NamesTheKeyThatIsWrong) {
  const auto says = [](const std::string& text, const std::string& part) {
    const std::string error = processor_error(text);
    EXPECT_NE(error.find(part), std::string::npos) << text << ": " << error;
    EXPECT_TRUE(error.starts_with("model/preprocessor_config.json: ")) << error;
  };
  says("{", "not valid JSON");
  says("[]", "no JSON object");
  says(R"({"size": 0})", "size is 0, expected whole numbers of 1 to 16384 pixels");
  says(R"({"size": 1e9})", "size is 1000000000.0");
  says(R"({"size": {"height": 3, "width": -1}})", "size is -1");
  says(R"({"size": {"longest_edge": 3}})", "expected a number, height and width, or shortest_edge");
  says(R"({"size": {"shortest_edge": 3, "longest_edge": 9}})", "expected a number, height and width, or shortest_edge");
  says(R"({"size": "224"})", "size is \"224\"");
  says(R"({"image_processor_type": "ConvNextImageProcessor", "size": {"height": 9, "width": 9}})", "shortest_edge");
  says(R"({"resample": 6})", "resample is 6, expected 0 (nearest)");
  says(R"({"resample": "bilinear"})", "resample is \"bilinear\"");
  says(R"({"image_std": [0.5, 0, 0.5]})", "image_std is [0.5,0,0.5]");
  says(R"({"image_mean": [0.5, 0.5]})", "image_mean is [0.5,0.5], expected one number, or three");
  says(R"({"image_mean": "half"})", "image_mean is \"half\"");
  says(R"({"do_resize": 1})", "do_resize is 1, expected true or false");
  says(R"({"rescale_factor": 0})", "rescale_factor is 0, expected a number above 0");
  says(R"({"image_processor_type": "ConvNextImageProcessor", "size": 224, "crop_pct": 1e-9})", "crop_pct is 1e-09");
  says(R"({"do_pad": true})", "do_pad is true");
  says(R"({"do_center_crop": true, "crop_size": {"shortest_edge": 3}})", "crop_size is");
}

TEST(ImageProcessor, WritesBackWhatWasReadWithTheSizeThatIsUsed) {
  ImageProcessor deit = from_file(
      R"({"crop_size": 224, "do_center_crop": true, "feature_extractor_type": "DeiTFeatureExtractor", "somebody's": [1],
      "resample": 3, "size": 256})");
  deit.set_extent({448, 448});
  EXPECT_EQ(deit.size, (ImageExtent{512, 512}));
  const auto written = nlohmann::json::parse(deit.to_json());
  EXPECT_EQ(written["somebody's"], nlohmann::json::array({1}));
  EXPECT_EQ(written["feature_extractor_type"], "DeiTFeatureExtractor");
  const ImageProcessor read = from_file(deit.to_json());
  EXPECT_EQ(read.size, deit.size);
  EXPECT_EQ(read.crop, deit.crop);
  EXPECT_EQ(read.filter, deit.filter);

  ImageProcessor resnet =
      from_file(R"({"crop_pct": 0.875, "feature_extractor_type": "ConvNextFeatureExtractor", "size": 224})");
  resnet.set_extent({448, 448});
  EXPECT_EQ(resnet.resize_rule, ResizeRule::exact);
  EXPECT_EQ(from_file(resnet.to_json()).extent(), (ImageExtent{448, 448}));
  EXPECT_THROW(resnet.set_extent({448, 224}), Error);

  ImageProcessor dinov2 = from_file(
      R"({"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}})");
  dinov2.set_extent({112, 112});
  EXPECT_EQ(dinov2.edge, 128);
  dinov2.set_extent({112, 224});
  EXPECT_EQ(dinov2.resize_rule, ResizeRule::exact);
  EXPECT_EQ(dinov2.size, (ImageExtent{128, 256}));
  EXPECT_THROW(dinov2.set_extent({0, 1}), Error);

  for (const char* config :
       {R"({"model_type": "vit", "image_size": 32})", R"({"model_type": "resnet"})", R"({"num_channels": 1})",
        R"({"pretrained_cfg": {"input_size": [3, 224, 224], "crop_pct": 0.9}})"}) {
    const ImageProcessor made = from_config(config);
    const ImageProcessor again = from_file(made.to_json());
    EXPECT_EQ(again.resize_rule, made.resize_rule);
    EXPECT_EQ(again.size, made.size);
    EXPECT_EQ(again.edge, made.edge);
    EXPECT_EQ(again.crop, made.crop);
    EXPECT_EQ(again.filter, made.filter);
    EXPECT_EQ(again.scale, made.scale);
    EXPECT_EQ(again.mean, made.mean);
    EXPECT_EQ(again.deviation, made.deviation);
  }
}

/// What transformers' processors with Pillow do, step by step in the types of numpy.
TEST(Pixels, AreResizedCroppedScaledAndNormalized) {
  const Picture picture = noise({50, 70}, 3, 1);
  const ImageProcessor processor = from_file(
      R"({"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 32}, "crop_size": {"height": 28, "width": 27},
      "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]})");
  const Picture resized = resize(picture, {32, 44}, ResizeFilter::bicubic);
  const Picture cropped = crop(resized, {2, 8, {28, 27}});
  const Floats found = pixels_of(picture, processor, 3);
  const float mean[] = {0.485F, 0.456F, 0.406F};
  const float deviation[] = {0.229F, 0.224F, 0.225F};
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double sample = std::get<Bytes>(cropped.samples)[i];
    const auto scaled = static_cast<float>(sample * (1.0 / 255.0));
    ASSERT_EQ(found[i], (scaled - mean[i % 3]) / deviation[i % 3]) << i;
  }
}

TEST(Pixels, AreThoseOfTheFittedPicture) {
  for (const char* config : {R"({"model_type": "vit", "image_size": [20, 33]})",
                             R"({"pretrained_cfg": {"input_size": [3, 24, 24], "crop_pct": 0.8}})"}) {
    const ImageProcessor processor = from_config(config);
    for (const std::int64_t channels : {1, 3}) {
      const Picture picture = noise({70, 45}, channels, 5);
      Floats expected(static_cast<std::size_t>(processor.extent().pixels() * 3));
      normalize_pixels(fitted(picture, processor), processor, 3, expected);
      EXPECT_EQ(pixels_of(picture, processor, 3), expected);
    }
  }
}

TEST(Pixels, KeepTheProportionsOfATallPicture) {
  ImageProcessor processor = from_config(R"({"model_type": "vit"})");
  processor.resize_rule = ResizeRule::shortest_edge;
  processor.edge = 10;
  processor.crop = {10, 10};
  const Picture picture = noise({37, 20}, 1, 2);
  EXPECT_EQ(fitted(picture, processor).samples,
            crop(resize(picture, {18, 10}, ResizeFilter::bilinear), {4, 0, {10, 10}}).samples);
}

TEST(Pixels, OfASmallPictureAreBlackAround) {
  ImageProcessor processor = from_config(R"({"model_type": "vit"})");
  processor.resize_rule = ResizeRule::none;
  processor.crop = {4, 5};
  // numpy: top = (2 - 4) // 2, left = (2 - 5) // 2, so the picture begins at row 1, column 2.
  const Picture picture{{2, 2}, 1, Bytes{10, 20, 30, 40}, 0.0F, 255.0F};
  EXPECT_EQ(std::get<Bytes>(fitted(picture, processor).samples),
            (Bytes{0, 0, 0, 0, 0, 0, 0, 10, 20, 0, 0, 0, 30, 40, 0, 0, 0, 0, 0, 0}));
}

TEST(Pixels, OfGreyAndColour) {
  ImageProcessor processor = from_config(R"({"model_type": "vit", "image_size": 2})");
  const Picture grey{{2, 2}, 1, Bytes{0, 51, 102, 255}, 0.0F, 255.0F};
  const Floats three = pixels_of(grey, processor, 3);
  const float values[] = {-1.0F, -0.6F, -0.2F, 1.0F};
  for (std::size_t i = 0; i < three.size(); ++i) EXPECT_NEAR(three[i], values[i / 3], 1e-6F);
  const Floats one = pixels_of(grey, processor, 1);
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_NEAR(one[i], values[i], 1e-6F);

  // Pillow: convert("L") of these four.
  const Picture colour{{2, 2}, 3, Bytes{255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 200, 90}, 0.0F, 255.0F};
  EXPECT_EQ(std::get<Bytes>(grey_picture(colour).samples), (Bytes{76, 150, 29, 131}));
  const Floats of_colour = pixels_of(colour, processor, 1);
  EXPECT_NEAR(of_colour[0], 76.0F / 127.5F - 1.0F, 1e-6F);
  EXPECT_NEAR(of_colour[3], 131.0F / 127.5F - 1.0F, 1e-6F);
}

TEST(Pixels, OfScannersFollowTheirRange) {
  ImageProcessor processor = from_config(R"({"model_type": "vit", "image_size": 2})");
  const Picture window{{2, 2}, 1, Floats{-1000.0F, -160.0F, 40.0F, 900.0F}, -160.0F, 240.0F};
  const Floats found = pixels_of(window, processor, 1);
  const float values[] = {-1.0F, -1.0F, 0.0F, 1.0F};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(found[i], values[i], 1e-6F);
  const Picture words{{2, 2}, 1, std::vector<std::uint16_t>{0, 1024, 4095, 2048}, 0.0F, 4095.0F};
  const Floats of_words = pixels_of(words, processor, 1);
  EXPECT_NEAR(of_words[1], 1024.0F / 2047.5F - 1.0F, 1e-6F);
  EXPECT_NEAR(of_words[2], 1.0F, 1e-6F);
  // What lies beyond the window does not leak into its neighbours: it is moved to the window's end before resizing.
  processor.size = {1, 1};
  const Picture bright{{1, 2}, 1, Floats{0.0F, 1e9F}, 0.0F, 1.0F};
  EXPECT_NEAR(pixels_of(bright, processor, 1)[0], 0.0F, 1e-6F);
}

TEST(Pixels, WithoutScalingAreSamplesOfBytes) {
  const ImageProcessor processor =
      from_file(R"({"size": 2, "do_rescale": false, "do_normalize": false, "do_resize": false})");
  const Picture words{{2, 2}, 1, std::vector<std::uint16_t>{0, 65535, 257, 514}, 0.0F, 65535.0F};
  EXPECT_EQ(pixels_of(words, processor, 1), (Floats{0.0F, 255.0F, 1.0F, 2.0F}));
  EXPECT_THROW(pixels_of(noise({2, 3}, 1, 3), processor, 1), Error);
}

TEST(Pixels, SayWhatDoesNotGoTogether) {
  const ImageProcessor imagenet = from_config(R"({"model_type": "resnet", "image_size": 2})");
  const Picture picture = noise({2, 2}, 1, 4);
  EXPECT_THROW(pixels_of(picture, imagenet, 1), Error);
  EXPECT_THROW(pixels_of(picture, imagenet, 4), Error);
  Floats small(3);
  EXPECT_THROW(to_pixels(picture, imagenet, 3, small), Error);
}

TEST(Colour, MakesBytesForPeople) {
  const Picture window{{1, 4}, 1, Floats{-5.0F, 0.0F, 1.0F, 4.0F}, 0.0F, 2.0F};
  EXPECT_EQ(std::get<Bytes>(byte_picture(window).samples), (Bytes{0, 0, 128, 255}));
  EXPECT_EQ(std::get<Bytes>(rgb_picture({{1, 2}, 1, Bytes{3, 4}, 0.0F, 255.0F}).samples), (Bytes{3, 3, 3, 4, 4, 4}));
}

}  // namespace
}  // namespace temper

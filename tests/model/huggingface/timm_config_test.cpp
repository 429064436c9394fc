// config.json of timm's folders: what older ones say, and what an export says of the pictures.
#include "model/huggingface/timm_config.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "model/architectures/model_config.h"
#include "tests/model/huggingface/test_folder.h"

namespace temper {
namespace {

using testing_support::expect_refusal;
using testing_support::TestFolder;
using OrderedConfig = nlohmann::ordered_json;

/// As timm wrote it before there was "pretrained_cfg".
const std::string kOlderConfig =
    R"({"architecture":"vit_tiny_patch16_384","num_classes":2,"num_features":192,"input_size":[3,384,384],)"
    R"("mean":[0.5,0.5,0.5],"crop_pct":1.0,"first_conv":"patch_embed.proj","labels":["flat","upright"]})";

TEST(TimmConfig, OfAnOlderFolderBecomesAsTimmReadsIt) {
  EXPECT_EQ(OrderedConfig::parse(with_pretrained_cfg(kOlderConfig, "config.json")), OrderedConfig::parse(R"({
      "architecture":"vit_tiny_patch16_384","num_features":192,"pretrained_cfg":{"num_classes":2,
      "input_size":[3,384,384],"mean":[0.5,0.5,0.5],"crop_pct":1.0,"first_conv":"patch_embed.proj",
      "label_names":["flat","upright"]}})"));
  // null is as good as nothing, and what a model is made with stays where it is read.
  EXPECT_EQ(OrderedConfig::parse(with_pretrained_cfg(
                R"({"architecture":"resnet18","pretrained_cfg":null,"model_args":{"in_chans":1},"crop_pct":0.9})", "")),
            OrderedConfig::parse(
                R"({"architecture":"resnet18","model_args":{"in_chans":1},"pretrained_cfg":{"crop_pct":0.9}})"));
}

TEST(TimmConfig, EveryOtherTextStaysAsItIs) {
  for (const std::string text : {R"({"architecture": "resnet18","num_classes":2, "pretrained_cfg":{}})",
                                 R"({"architecture": "resnet18","model_type": "timm_wrapper"})",
                                 R"({"model_type": "bert",  "hidden_size":24})", "{}"})
    EXPECT_EQ(with_pretrained_cfg(text, "config.json"), text);
  expect_refusal([] { (void)with_pretrained_cfg("[1]", "some/config.json"); }, {"some/config.json"});
}

TEST(TimmConfig, AnOlderFolderIsReadInItsSizeAndWithItsNames) {
  const TestFolder folder;
  folder.write("config.json", kOlderConfig);
  const ModelConfig config = read_model_config(folder.path());
  EXPECT_EQ(config.images.extent, (ImageExtent{384, 384}));
  EXPECT_EQ(config.labels, (std::vector<std::string>{"flat", "upright"}));
  EXPECT_EQ(OrderedConfig::parse(config.json)["pretrained_cfg"]["crop_pct"], 1.0);
}

// With "fixed_input_size", as Swin has it, timm takes the size of the pictures from the arguments.
TEST(TimmConfig, ArgumentsHaveTheSizeOfThePictures) {
  const OrderedConfig pictures = {{"input_size", {3, 32, 48}}, {"crop_pct", 0.8}};
  OrderedConfig config = {{"model_args", {{"img_size", 24}, {"depth", 1}}},
                          {"pretrained_cfg", {{"input_size", {3, 24, 24}}, {"pool_size", nullptr}}}};
  set_timm_pictures(config, pictures, false);
  EXPECT_EQ(config["model_args"], (OrderedConfig{{"img_size", {32, 48}}, {"depth", 1}}));
  EXPECT_EQ(config["pretrained_cfg"],
            (OrderedConfig{{"input_size", {3, 32, 48}}, {"pool_size", nullptr}, {"crop_pct", 0.8}}));
  OrderedConfig without = {{"model_args", {{"depth", 1}}}};
  set_timm_pictures(without, pictures, true);
  EXPECT_EQ(without["model_args"], (OrderedConfig{{"depth", 1}}));
  EXPECT_EQ(without["pretrained_cfg"]["fixed_input_size"], true);
}

}  // namespace
}  // namespace temper

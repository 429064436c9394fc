// What is read of folders that timm saved, and what is refused of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/error.h"
#include "model/architectures/model_config.h"
#include "model/architectures/registry.h"
#include "tests/model/huggingface/test_folder.h"

namespace temper {
namespace {

using testing_support::expect_refusal;

ModelConfig config_of(const std::string& name, const std::string& more = "", const std::string& pictures = "") {
  return parse_model_config("{\"architecture\":\"" + name +
                                "\",\"num_classes\":3,\"pretrained_cfg\":{\"num_classes\":3" + pictures + "}" + more +
                                "}",
                            "some/folder");
}

std::string arguments(const std::string& text) { return ",\"model_args\":{" + text + "}"; }

std::int64_t weights_of(const ModelConfig& config) {
  std::int64_t weights = 0;
  const auto model = make_model(config, {HeadKind::image, 1000});
  for (const Parameter& parameter : model->parameters().all())
    if (parameter.role != ParameterRole::statistic) weights += parameter.size();
  return weights;
}

TEST(TimmModels, EveryNameMakesAModel) {
  const std::vector<std::string> names = supported_timm_names();
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
  for (const std::string& name : names) {
    const ModelConfig config = config_of(name);
    const auto model = make_model(config, {HeadKind::image, 2});
    EXPECT_EQ(model->stages(), config.layers + 1) << name;
    EXPECT_EQ(head_of(config), HeadKind::image) << name;
    const Architecture& architecture = architecture_of(config);
    const std::string blocks = model->names().prefix + std::string(architecture.layers) + "0.";
    const auto& parameters = model->parameters().all();
    EXPECT_TRUE(std::any_of(parameters.begin(), parameters.end(), [&](const Parameter& parameter) {
      return parameter.name.starts_with(blocks) && parameter.stage == 1;
    })) << name;
    // Whatever is not named by a rule would keep the name that it has here.
    for (const Parameter& parameter : parameters)
      EXPECT_NE(model->names().forms_of(parameter).front().name, parameter.name) << name;
  }
}

// As timm 1.0 counts them, with 1000 classes.
TEST(TimmModels, HaveAsManyWeightsAsTimms) {
  const std::string of_518 = R"(,"input_size":[3,518,518],"fixed_input_size":true)";
  const std::string of_384 = R"(,"input_size":[3,384,384])";
  EXPECT_EQ(weights_of(config_of("vit_tiny_patch16_224.augreg_in21k")), 5'717'416);
  EXPECT_EQ(weights_of(config_of("deit_tiny_distilled_patch16_224")), 5'910'800);
  EXPECT_EQ(weights_of(config_of("deit3_small_patch16_384", "", of_384)), 22'205'416);
  EXPECT_EQ(weights_of(config_of("vit_small_patch14_dinov2", "", of_518)), 22'441'192);
  EXPECT_EQ(weights_of(config_of("vit_small_patch14_reg4_dinov2", "", of_518)), 22'442'344);
  EXPECT_EQ(weights_of(config_of("swin_tiny_patch4_window7_224")), 28'288'354);
  EXPECT_EQ(weights_of(config_of("resnet18")), 11'689'512);
  EXPECT_EQ(weights_of(config_of("resnet50")), 25'557'032);
  EXPECT_EQ(weights_of(config_of("convnext_atto")), 3'695'520);
  EXPECT_EQ(weights_of(config_of("convnext_tiny")), 28'589'128);
}

TEST(TimmModels, AreOfTheSizeThatTheFileNames) {
  const auto extent = [](const std::string& more, const std::string& pictures = "") {
    return config_of("vit_tiny_patch16_224", more, pictures).images.extent;
  };
  EXPECT_EQ(extent(""), (ImageExtent{224, 224}));
  EXPECT_EQ(extent("", R"(,"input_size":[3,64,96])"), (ImageExtent{64, 96}));
  EXPECT_EQ(extent(arguments(R"("img_size":48)"), R"(,"input_size":[3,64,96])"), (ImageExtent{48, 48}));
  EXPECT_EQ(config_of("resnet18", "", R"(,"input_size":[1,64,64])").images.channels, 1);
  EXPECT_EQ(config_of("resnet18", arguments(R"("in_chans":2)")).images.channels, 2);
  EXPECT_EQ(config_of("deit_tiny_distilled_patch16_224").images.tokens({32, 32}), 2 + 4);
  EXPECT_EQ(config_of("vit_small_patch14_reg4_dinov2").images.tokens({28, 28}), 5 + 4);
}

TEST(TimmModels, ClassesAreNamedByTheFile) {
  EXPECT_EQ(config_of("resnet18").labels, (std::vector<std::string>{"LABEL_0", "LABEL_1", "LABEL_2"}));
  EXPECT_EQ(config_of("resnet18", R"(,"label_names":["a","b","c"])").labels, (std::vector<std::string>{"a", "b", "c"}));
  expect_refusal([] { (void)config_of("resnet18", R"(,"label_names":["a","b"])"); }, {"num_classes", "3", "2"});
  const ModelConfig none = parse_model_config(R"({"architecture":"resnet18","num_classes":0})", "some/folder");
  EXPECT_TRUE(none.labels.empty());
  EXPECT_EQ(head_of(none), std::nullopt);
  EXPECT_EQ(config_of("resnet18", "", R"(,"label_names":["a","b","c"])").labels,
            (std::vector<std::string>{"a", "b", "c"}));
}

// timm writes an object where ids have gaps.
TEST(TimmModels, ClassesAreNamedByTheirIds) {
  const auto labels = [](const std::string& names) {
    return config_of("resnet18", ",\"label_names\":" + names).labels;
  };
  EXPECT_EQ(labels(R"({"0":"a","1":"b","2":"c"})"), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(labels(R"({"2":"c","0":"a"})"), (std::vector<std::string>{"a", "LABEL_1", "c"}));
  EXPECT_EQ(labels("{}"), (std::vector<std::string>{"LABEL_0", "LABEL_1", "LABEL_2"}));
  const std::string uncounted = R"({"architecture":"resnet18","label_names":{"3":"d","0":"a"}})";
  EXPECT_EQ(parse_model_config(uncounted, "some/folder").labels,
            (std::vector<std::string>{"a", "LABEL_1", "LABEL_2", "d"}));
  for (const auto& [names, said] :
       {std::pair{R"({"3":"d"})", "the id \"3\""}, std::pair{R"({"-1":"d"})", "the id \"-1\""},
        std::pair{R"({"cat":"0"})", "the id \"cat\""}, std::pair{R"({"0":"a","00":"b"})", "the id \"00\""},
        std::pair{R"({"1":7})", "has 7 under the id \"1\""}})
    expect_refusal([&] { (void)labels(names); }, {"config.json", "label_names", said, "below 3 (num_classes)"});
  expect_refusal(
      [] { (void)parse_model_config(R"({"architecture":"resnet18","label_names":{"1000000":"a"}})", "some/folder"); },
      {"label_names", "below 1000000"});
}

TEST(TimmModels, OtherNamesAreRefusedByName) {
  for (const char* name : {"resnet50d", "wide_resnet50_2", "vit_base_patch16_clip_224", "swin_s3_tiny_224",
                           "convnextv2_tiny", "convnext_large_mlp", "swinv2_tiny_window8_256"})
    expect_refusal([&] { (void)config_of(name); },
                   {"config.json", name, "not supported", "resnet50", "vit_base_patch16_224"});
  expect_refusal([] { (void)config_of("resnet5O"); }, {"did you mean resnet50?"});
}

TEST(TimmModels, ArgumentsThatChangeTheMathematicsAreRefused) {
  for (const auto& [name, argument, said] :
       {std::tuple{"vit_tiny_patch16_224", R"("pre_norm":true)", "pre_norm"},
        std::tuple{"vit_tiny_patch16_224", R"("class_token":false)", "class_token"},
        std::tuple{"vit_tiny_patch16_224", R"("global_pool":"avg")", "global_pool"},
        std::tuple{"resnet50", R"("output_stride":8)", "output_stride"},
        std::tuple{"resnet50", R"("layers":[3,4,6])", "layers"},
        std::tuple{"resnet50", R"("drop_rate":0.1)", "drop_rate"},
        std::tuple{"convnext_tiny", R"("use_grn":true)", "use_grn"},
        std::tuple{"convnext_tiny", R"("patch_size":2)", "patch_size"},
        std::tuple{"swin_tiny_patch4_window7_224", R"("window_size":[7,7])", "window_size"}})
    expect_refusal([&] { (void)config_of(name, arguments(argument)); }, {"config.json, model_args", said});
  expect_refusal([] { (void)config_of("vit_tiny_patch16_224", R"(,"global_pool":"avg")"); }, {"global_pool", "token"});
  expect_refusal([] { (void)config_of("resnet50", "", R"(,"global_pool":"max")"); }, {"pretrained_cfg", "global_pool"});
  expect_refusal([] { (void)config_of("resnet50", ",\"model_args\":3"); }, {"model_args", "an object"});
  EXPECT_NO_THROW((void)config_of("resnet50", arguments(R"("drop_rate":0.0,"num_classes":3,"drop_path_rate":0)")));
}

TEST(TimmModels, SwinTakesSizesThatItsWindowsFill) {
  const ModelConfig swin = config_of("swin_tiny_patch4_window7_224");
  EXPECT_EQ(swin.images.tokens({224, 448}), 7 * 14);
  expect_refusal([&] { (void)swin.images.tokens({256, 256}); }, {"stage 1", "64 x 64", "multiples of 7"});
  expect_refusal([&] { (void)swin.images.tokens({112, 112}); }, {"stage 4", "multiples of 7"});
}

}  // namespace
}  // namespace temper

// Folders of timm, written and read again.
#include "runtime/model_export.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "runtime/inputs/run_data.h"
#include "tests/model/huggingface/test_folder.h"
#include "tests/model_fixture.h"

namespace temper {
namespace {

using testing_support::fixture_folder;
using testing_support::TestFolder;
using OrderedConfig = nlohmann::ordered_json;

const std::vector<std::string> kThreeClasses = {"flat", "slanted", "upright"};

OrderedConfig config_of_folder(const std::filesystem::path& folder) {
  return OrderedConfig::parse(read_text_file(folder / "config.json"));
}

/// Writes the model of `base` into `target`, without training.
void export_untrained(const ModelFolder& base, const std::filesystem::path& target) {
  const std::unique_ptr<Device> device = make_cpu_device();
  const TaskSpec& task = task_of(base.config);
  const RunModel model(base, head_request(task, LabelSet::from_names(kThreeClasses)), -1.0, {}, *device);
  export_trained_model(*model.model, *device, task, base.source(), kThreeClasses, {}, {}, target);
}

TEST(ExportOfTimm, OfAnOlderFolderIsReadWithTheSamePictures) {
  const TestFolder folder;
  const std::filesystem::path fixture = fixture_folder("timm-deit-distilled");
  OrderedConfig older = config_of_folder(fixture);
  older.erase("pretrained_cfg");
  older.update({{"input_size", {3, 8, 8}},
                {"interpolation", "bilinear"},
                {"crop_pct", 1.0},
                {"mean", {0.5, 0.25, 0.125}},
                {"std", {0.5, 0.5, 0.75}},
                {"first_conv", "patch_embed.proj"},
                {"labels", {"a", "b", "c"}}});
  folder.write("older/config.json", older.dump());
  std::filesystem::copy_file(fixture / "model.safetensors", folder.path() / "older/model.safetensors");

  const ModelFolder base(folder.path() / "older");
  EXPECT_EQ(base.config.labels, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(base.processor->extent(), (ImageExtent{8, 8}));
  EXPECT_EQ(base.processor->filter, ResizeFilter::bilinear);
  EXPECT_EQ(base.processor->mean, (std::vector<double>{0.5, 0.25, 0.125}));
  EXPECT_EQ(base.processor->timm_share, 1.0);
  export_untrained(base, folder.path() / "tuned");

  const OrderedConfig written = config_of_folder(folder.path() / "tuned");
  for (const char* moved : {"input_size", "mean", "crop_pct", "labels"}) EXPECT_FALSE(written.contains(moved)) << moved;
  EXPECT_EQ(written["label_names"], OrderedConfig(kThreeClasses));
  EXPECT_EQ(written["pretrained_cfg"]["first_conv"], "patch_embed.proj");
  EXPECT_EQ(written["pretrained_cfg"]["num_classes"], 3);
  const ModelFolder again(folder.path() / "tuned");
  EXPECT_EQ(again.config.labels, kThreeClasses);
  for (const ImageProcessor& processor : {*base.processor, *again.processor}) {
    OrderedConfig pictures = OrderedConfig::parse(processor.to_pretrained_cfg());
    pictures.erase("label_names");
    EXPECT_EQ(pictures, OrderedConfig::parse(again.processor->to_pretrained_cfg()));
  }
}

TEST(ExportOfTimm, HasTheSizeThatSwinWasTrainedWithInItsArguments) {
  const TestFolder folder;
  ModelFolder base(fixture_folder("timm-swin"));
  base.set_image_size(12);
  export_untrained(base, folder.path() / "tuned");
  const OrderedConfig written = config_of_folder(folder.path() / "tuned");
  EXPECT_EQ(written["pretrained_cfg"]["input_size"], (OrderedConfig{3, 12, 12}));
  EXPECT_EQ(written["model_args"]["img_size"], (OrderedConfig{12, 12}));
  const ModelFolder again(folder.path() / "tuned");
  EXPECT_EQ(again.config.images.extent, (ImageExtent{12, 12}));
  EXPECT_EQ(again.processor->extent(), (ImageExtent{12, 12}));
}

}  // namespace
}  // namespace temper

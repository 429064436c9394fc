// Whole runs on pictures.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "model/huggingface/safetensors.h"
#include "tests/places.h"
#include "tests/system/tiny_run.h"
#include "tests/tiny_pictures.h"

namespace temper::system_tests {
namespace {

using Json = nlohmann::json;

class ImageRun : public TinyRun {
 protected:
  void SetUp() override {
    TinyRun::SetUp();
    testing_support::write_tiny_vit(path("vit"));
    testing_support::write_picture_classes(path("pictures/train"), 24, 1);
    testing_support::write_picture_classes(path("pictures/validation"), 10, 2);
    write("images.toml", R"([model]
path = "vit"
task = "image-classification"
initialize = true
[data]
train = "pictures/train"
validation = "pictures/validation"
test = "pictures/validation"
[train]
epochs = 2
batch_size = 8
learning_rate = 3e-3
grains = 4
[output]
tensorboard = false
)");
  }
  Outcome run_images(const std::string& output, const std::vector<std::string>& overrides = {}, int ranks = 0) {
    std::vector<std::string> arguments{"train", "images.toml", "--json", "--set", "output.dir=" + output};
    for (const std::string& override_ : overrides) {
      arguments.emplace_back("--set");
      arguments.push_back(override_);
    }
    Outcome outcome = run({.arguments = arguments, .ranks = ranks, .folder = folder_});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome;
  }
};

TEST_F(ImageRun, GivesTheSameBitsOnAnyNumberOfRanksWithAugmentation) {
  const std::vector<std::string> augmented{"augment.rotation=10", "augment.brightness=0.2", "augment.mixup=0.4"};
  run_images("alone", augmented);
  const std::string expected = weights("alone");
  for (const int ranks : {2, 3, 4}) {
    const std::string name = "on-" + std::to_string(ranks);
    run_images(name, augmented, ranks);
    EXPECT_TRUE(weights(name) == expected) << ranks << " ranks";
  }
}

TEST_F(ImageRun, GoesOnWhereItStopped) {
  run_images("whole");
  const std::string expected = weights("whole");
  std::vector<std::string> arguments{"train", "images.toml",    "--set", "output.dir=stopped",
                                     "--set", "train.epochs=2", "--set", "run.max_minutes=0.0000001"};
  const Outcome stopped = run({.arguments = arguments, .folder = folder_});
  EXPECT_EQ(stopped.status, 75) << stopped.err;
  run_images("stopped", {}, 2);
  EXPECT_TRUE(weights("stopped") == expected);
}

TEST_F(ImageRun, LearnsIsMeasuredAndPredicts) {
  const Json report = Json::parse(run_images("runs/vit", {"train.epochs=12"}).last_line());
  EXPECT_GT(report["test"]["accuracy"].get<double>(), 0.8);
  EXPECT_TRUE(std::filesystem::exists(path("runs/vit/model/preprocessor_config.json")));
  const Outcome measured =
      run({.arguments = {"eval", "runs/vit/model", "pictures/validation", "--json"}, .ranks = 2, .folder = folder_});
  ASSERT_EQ(measured.status, 0) << measured.err;
  const Json metrics = Json::parse(measured.last_line());
  EXPECT_DOUBLE_EQ(metrics["accuracy"].get<double>(), report["test"]["accuracy"].get<double>());
  const Outcome predicted = run({.arguments = {"predict", "runs/vit/model", "pictures/validation"}, .folder = folder_});
  ASSERT_EQ(predicted.status, 0) << predicted.err;
  std::istringstream lines(predicted.out);
  std::string line;
  int right = 0;
  int rows = 0;
  while (std::getline(lines, line)) {
    const Json row = Json::parse(line);
    ++rows;
    right += row["image"].get<std::string>().starts_with(row["label"].get<std::string>()) ? 1 : 0;
  }
  EXPECT_EQ(rows, 20);
  EXPECT_DOUBLE_EQ(right / 20.0, metrics["accuracy"].get<double>());
}

TEST_F(ImageRun, EvalDrawsIntervalsByTheGroupsOfTheRun) {
  const auto list = [&](const std::string& name, const std::string& set, int each, char hospital) {
    std::string rows = "image,label,patient\n";
    for (const char* label : {"flat", "upright"})
      for (int i = 0; i < each; ++i) {
        const std::string number = (i < 10 ? "0" : "") + std::to_string(i);
        rows += "pictures/" + set + "/" + label + "/" + number + ".png," + label + "," + hospital +
                std::to_string(i / 4) + "\n";
      }
    write(name, rows);
  };
  list("train.csv", "train", 24, 'a');
  list("validation.csv", "validation", 10, 'b');
  testing_support::write_picture_classes(path("pictures/test"), 10, 3);
  list("test.csv", "test", 10, 'c');
  const Outcome trained = run_images("tested", {"data.train=train.csv", "data.validation=validation.csv",
                                                "data.test=test.csv", "data.group=patient", "evaluate.resamples=60"});
  EXPECT_NE(
      trained.err.find("groups by \"patient\": 6 in the training set, 3 in the validation set, 3 in the test set"),
      std::string::npos)
      << trained.err;
  EXPECT_NE(trained.err.find(" images/s"), std::string::npos) << trained.err;
  EXPECT_EQ(trained.err.find(" tok/s"), std::string::npos) << trained.err;
  const std::string card = read(path("tested/model/README.md"));
  EXPECT_NE(card.find("3 groups (patient)"), std::string::npos) << card;
  EXPECT_NE(card.find("This model is no medical device"), std::string::npos) << card;
  EXPECT_TRUE(std::filesystem::exists(path("tested/figures/mistakes.jsonl")));
  const Json tested = Json::parse(trained.last_line());
  const auto measured = [&](const std::vector<std::string>& more, int ranks) {
    std::vector<std::string> arguments{"eval", "tested/model", "test.csv", "--resamples", "60", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    Outcome outcome = run({.arguments = arguments, .ranks = ranks, .folder = folder_});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome;
  };
  Json by_patient = Json::parse(measured({}, 2).last_line());
  EXPECT_EQ(by_patient["groups"], 3);
  for (const char* beside : {"rows", "groups", "positive", "calibration"}) by_patient.erase(beside);
  EXPECT_EQ(by_patient, tested["test"]);
  ASSERT_TRUE(by_patient.contains("brier_score_low"));
  EXPECT_EQ(Json::parse(measured({"--group", "patient"}, 0).last_line())["brier_score_low"],
            tested["test"]["brier_score_low"]);
  EXPECT_NE(Json::parse(measured({"--group", ""}, 0).last_line())["brier_score_low"],
            tested["test"]["brier_score_low"]);
  const Outcome folder =
      run({.arguments = {"eval", "tested/model", "pictures/test", "--resamples", "60"}, .folder = folder_});
  EXPECT_NE(folder.err.find("the column \"patient\" of groups is missing"), std::string::npos) << folder.err;
}

TEST_F(ImageRun, ComputesFrozenLayersOnceWherePicturesStayTheSame) {
  const std::vector<std::string> frozen{"tuning.freeze=[\"*\"]", "augment.crop_scale=[]", "augment.horizontal_flip=0",
                                        "train.epochs=3"};
  const Outcome cached = run_images("cached", frozen);
  EXPECT_NE(cached.err.find("frozen layers: computed once for 48 training rows"), std::string::npos) << cached.err;
  std::vector<std::string> computed = frozen;
  computed.emplace_back("tuning.frozen_cache=false");
  run_images("computed", computed);
  const Outcome augmented = run_images("augmented", {"tuning.freeze=[\"*\"]", "train.epochs=3"});
  EXPECT_EQ(augmented.err.find("frozen layers: computed once for 48 training rows"), std::string::npos)
      << augmented.err;
}

TEST_F(ImageRun, IsPlannedBeforehand) {
  const Outcome planned = run({.arguments = {"plan", "images.toml", "--json"}, .folder = folder_});
  ASSERT_EQ(planned.status, 0) << planned.err;
  EXPECT_GT(Json::parse(planned.last_line())["train_rows"].get<int>(), 0);
  const Outcome told = run({.arguments = {"plan", "images.toml"}, .folder = folder_});
  EXPECT_NE(told.out.find("48 pictures"), std::string::npos) << told.out;
  EXPECT_EQ(told.out.find("tokens"), std::string::npos) << told.out;
}

TEST_F(ImageRun, RefusesTextsForImagesAndImagesForTexts) {
  const auto refused = [&](const std::vector<std::string>& arguments) {
    const Outcome outcome = run({.arguments = arguments, .folder = folder_});
    EXPECT_NE(outcome.status, 0);
    return outcome.err;
  };
  EXPECT_NE(refused({"train", "images.toml", "--set", "model.path=model", "--set", "output.dir=a"})
                .find("has no BertForImageClassification"),
            std::string::npos);
  EXPECT_NE(refused({"train", "run.toml", "--set", "augment.rotation=5", "--set", "output.dir=b"})
                .find("augment.rotation is set"),
            std::string::npos);
}

TEST_F(ImageRun, IsExportedInTheSizeThatItWasTrainedIn) {
  run_images("sized", {"images.size=24", "train.epochs=1"});
  const auto size_in = [&](const std::string& folder) {
    return Json::parse(read(path(folder) / "preprocessor_config.json"))["size"]["height"].get<int>();
  };
  EXPECT_EQ(size_in("sized/model"), 24);
  std::string checkpoint;
  for (const auto& entry : std::filesystem::directory_iterator(path("sized/checkpoints")))
    checkpoint = entry.path().string();
  for (int again = 0; again < 2; ++again) {
    const Outcome exported = run({.arguments = {"export", checkpoint, "-o", "exported"}, .folder = folder_});
    EXPECT_EQ(exported.status, 0) << exported.err;
  }
  EXPECT_EQ(size_in("exported"), 24);
}

// transformers takes no other size than that of the table of positions, unless it is asked to.
TEST_F(ImageRun, PositionsAreExportedInTheSizeThatWasTrained) {
  const Json report = Json::parse(run_images("sized", {"images.size=24", "train.epochs=2"}).last_line());
  const Json config = Json::parse(read(path("sized/model/config.json")));
  EXPECT_EQ(config["image_size"], 24);
  const SafetensorsFile weights(path("sized/model/model.safetensors"));
  EXPECT_EQ(weights.tensors().at("vit.embeddings.position_embeddings").shape, (std::vector<std::int64_t>{1, 37, 16}));
  const Outcome measured =
      run({.arguments = {"eval", "sized/model", "pictures/validation", "--json"}, .folder = folder_});
  ASSERT_EQ(measured.status, 0) << measured.err;
  EXPECT_NEAR(Json::parse(measured.last_line())["loss"].get<double>(), report["test"]["loss"].get<double>(), 1e-5);
  run_images("usual", {"train.epochs=1"});
  EXPECT_EQ(Json::parse(read(path("usual/model/config.json")))["image_size"], 16);
}

/// A model that timm saved is exported as one that timm reads (tests/fixtures/make_timm_fixtures.py --check).
TEST_F(ImageRun, OfTimmIsTrainedMeasuredAndExported) {
  const auto fixture = [](const char* name) {
    return "model.path=" + (testing_support::source_directory() / "tests/fixtures" / name).string();
  };
  for (const char* name : {"timm-deit-distilled", "timm-swin"}) {
    const std::vector<std::string> settings{fixture(name), "model.initialize=false", "model.replace_head=true",
                                            "train.epochs=2"};
    const Json report = Json::parse(run_images(name, settings).last_line());
    run_images(std::string(name) + "-2", settings, 2);
    EXPECT_TRUE(weights(name) == weights(std::string(name) + "-2"));
    const std::filesystem::path model = path(std::string(name) + "/model");
    EXPECT_FALSE(std::filesystem::exists(model / "preprocessor_config.json"));
    const Json config = Json::parse(read(model / "config.json"));
    EXPECT_FALSE(config.contains("model_type") || config.contains("architectures") || config.contains("id2label"));
    EXPECT_EQ(config["num_classes"], 2);
    EXPECT_EQ(config["pretrained_cfg"]["num_classes"], 2);
    EXPECT_EQ(config["label_names"], (Json{"flat", "upright"}));
    EXPECT_EQ(config["pretrained_cfg"]["crop_pct"], 0.9);
    EXPECT_NE(read(model / "README.md").find("library_name: timm"), std::string::npos);
    const Outcome measured =
        run({.arguments = {"eval", model.string(), "pictures/validation", "--json"}, .folder = folder_});
    ASSERT_EQ(measured.status, 0) << measured.err;
    EXPECT_NEAR(Json::parse(measured.last_line())["loss"].get<double>(), report["test"]["loss"].get<double>(), 1e-6);
  }
  run_images("larger", {fixture("timm-deit-distilled"), "model.initialize=false", "model.replace_head=true",
                        "train.epochs=1", "images.size=16"});
  const Json larger = Json::parse(read(path("larger/model/config.json")));
  EXPECT_EQ(larger["pretrained_cfg"]["input_size"], (Json{3, 16, 16}));
  EXPECT_EQ(larger["model_args"]["img_size"], (Json{16, 16}));
  const SafetensorsFile tensors(path("larger/model/model.safetensors"));
  EXPECT_EQ(tensors.tensors().at("pos_embed").shape, (std::vector<std::int64_t>{1, 18, 12}));
  EXPECT_TRUE(tensors.tensors().contains("blocks.0.attn.qkv.weight"));
}

TEST_F(ImageRun, AdaptersInsideSwinAndConvNextHaveDropout) {
  const std::string fixtures = (testing_support::source_directory() / "tests/fixtures/").string();
  for (const auto& [name, size] :
       {std::pair{"timm-swin", 24}, std::pair{"swin-image", 16}, std::pair{"timm-convnext-atto", 32}}) {
    const std::vector<std::string> settings{std::string("model.path=") + fixtures + name,
                                            "model.initialize=false",
                                            "model.replace_head=true",
                                            "lora.rank=2",
                                            "lora.dropout=0.3",
                                            "lora.targets=all-linear",
                                            "train.epochs=2",
                                            "images.size=" + std::to_string(size)};
    const auto adapter = [&](const std::string& output) {
      return read(path(output) / "model/adapter_model.safetensors");
    };
    const std::string first = std::string("lora-") + name;
    run_images(first, settings);
    run_images(first + "-2", settings, 2);
    EXPECT_TRUE(adapter(first) == adapter(first + "-2")) << name;
    std::vector<std::string> without = settings;
    without.emplace_back("lora.dropout=0");
    run_images(first + "-0", without);
    EXPECT_FALSE(adapter(first) == adapter(first + "-0")) << name;
  }
  // As PEFT has the layers that timm has as convolutions of one pixel.
  const SafetensorsFile tensors(path("lora-timm-convnext-atto/model/adapter_model.safetensors"));
  const std::string layer = "base_model.model.stages.0.blocks.0.mlp.fc1.";
  EXPECT_EQ(tensors.tensors().at(layer + "lora_A.weight").shape, (std::vector<std::int64_t>{2, 4, 1, 1}));
  EXPECT_EQ(tensors.tensors().at(layer + "lora_B.weight").shape, (std::vector<std::int64_t>{16, 2, 1, 1}));
}

TEST_F(ImageRun, IsNotGoneOnWithOverOtherPictures) {
  const std::vector<std::string> steady{"train.schedule=constant", "train.warmup_ratio=0"};
  run_images("first", {"train.epochs=1", steady[0], steady[1]});
  const std::filesystem::path one = path("pictures/train/flat/00.png");
  const std::filesystem::path other = path("pictures/train/flat/01.png");
  std::filesystem::copy_file(other, one, std::filesystem::copy_options::overwrite_existing);
  const Outcome resumed = run({.arguments = {"train", "images.toml", "--set", "output.dir=first", "--set",
                                             "train.epochs=2", "--set", steady[0], "--set", steady[1]},
                               .folder = folder_});
  EXPECT_NE(resumed.status, 0);
  EXPECT_NE(resumed.err.find("was trained on another version of train: of its pictures, 48 rows then"),
            std::string::npos)
      << resumed.err;
}

TEST_F(ImageRun, InspectKnowsARunAndAModelOfImagesFromData) {
  run_images("run", {"train.epochs=1"});
  const auto inspected = [&](const std::vector<std::string>& arguments) {
    return run({.arguments = arguments, .folder = folder_});
  };
  EXPECT_NE(inspected({"inspect", "run"}).err.find("run/model"), std::string::npos);
  const Json model = Json::parse(inspected({"inspect", "run/model", "--json"}).last_line());
  EXPECT_FALSE(model.contains("vocabulary_size"));
  EXPECT_FALSE(model.contains("longest_sequence"));
  EXPECT_EQ(model["picture_size"].size(), 2U);
  EXPECT_EQ(model["mean"].size(), 3U);
  EXPECT_TRUE(model.contains("crop"));
  for (const std::vector<std::string>& needless :
       {std::vector<std::string>{"--max-length", "8"}, {"--text-pair", "x"}, {"--no-tokens"}}) {
    std::vector<std::string> arguments{"predict", "run/model", "pictures/validation"};
    arguments.insert(arguments.end(), needless.begin(), needless.end());
    const Outcome refused = inspected(arguments);
    EXPECT_EQ(refused.status, 2) << refused.err;
    EXPECT_NE(refused.err.find(needless.front()), std::string::npos) << refused.err;
  }
  write("chat.jsonl", R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})");
  const Outcome masked = inspected({"inspect", "chat.jsonl", "--mask", "--model", "vit"});
  EXPECT_EQ(masked.status, 2) << masked.err;
  EXPECT_NE(masked.err.find("is a model of images"), std::string::npos) << masked.err;
  const Outcome texts = inspected({"inspect", "data/train.csv", "--model", "vit", "--max-length", "64"});
  EXPECT_EQ(texts.status, 2) << texts.err;
  EXPECT_NE(texts.err.find("is a model of images"), std::string::npos) << texts.err;
}

TEST_F(ImageRun, TellsWhatItSkipped) {
  // Whole to whoever reads headers alone.
  std::string damaged = read(path("pictures/train/flat/03.png"));
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 0x55);
  write("pictures/train/flat/03.png", damaged);
  const Outcome outcome = run_images("skipped", {"images.unreadable=skip", "train.epochs=1"}, 2);
  EXPECT_NE(outcome.err.find("flat/03.png"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("48 pictures to train on (1 of them cannot be read"), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.err.find("could not be read, and others"), std::string::npos) << "it was told before:\n"
                                                                                  << outcome.err;
}

}  // namespace
}  // namespace temper::system_tests

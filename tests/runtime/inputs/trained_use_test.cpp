#include "runtime/inputs/trained_use.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/mapped_file.h"
#include "model/gguf/gguf_writer.h"
#include "model/huggingface/gguf_export.h"
#include "runtime/config/config.h"
#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

using testing_support::error_of;

TEST(TrainedUseFile, GivesBackWhatWasWritten) {
  TrainedUse use;
  use.program_version = "0.3.0";
  use.task = "multi-label";
  use.text = "review";
  use.text_pair = "";
  use.label = {"toxic", "rude"};
  use.label_listed = true;
  use.max_length = 64;
  use.threshold = 0.25;
  use.masking_seed = -7;
  use.group = "patient";
  use.steps = 42;
  EXPECT_EQ(parse_trained_use(to_json(use), "temper.json"), use);
  use.label = {"tags"};
  use.label_listed = false;
  EXPECT_EQ(parse_trained_use(to_json(use), "temper.json"), use);
  EXPECT_EQ(parse_trained_use(to_json(TrainedUse{}), "temper.json"), TrainedUse{});
}

TEST(TrainedUseFile, KeepsThresholdsAndTemperatureToTheLastBit) {
  constexpr double kNone = std::numeric_limits<double>::infinity();
  TrainedUse use;
  use.calibration = Calibration{.temperature = 1.0 / 3.0,
                                .rule = ThresholdRule::sensitivity,
                                .specificity = 0.9,
                                .sensitivity = 0.8,
                                .positive = "ill",
                                .thresholds = {{"ill", 0.1, 2.0 / 3.0, 1e-9}, {"very \"ill\"", 0.0, kNone, 1.0}}};
  EXPECT_EQ(parse_trained_use(to_json(use), "temper.json"), use);
  EXPECT_EQ(to_json(use).find("null"), std::string::npos) << to_json(use);
}

TEST(TrainedUseFile, ADamagedCalibrationIsRefused) {
  const auto refusal = [](const std::string& calibration) {
    return error_of([&] { (void)parse_trained_use("{\"calibration\": " + calibration + "}", "temper.json"); });
  };
  EXPECT_NE(refusal(R"({"temperature": 0})").find("\"temperature\""), std::string::npos);
  EXPECT_NE(refusal(R"({"threshold_by": "luck"})").find("youden"), std::string::npos);
  EXPECT_NE(refusal(R"({"thresholds": {"ill": {"youden": 1.5}}})").find("\"ill\""), std::string::npos);
  EXPECT_NE(refusal(R"({"thresholds": [0.5]})").find("an object"), std::string::npos);
  EXPECT_NE(refusal("3").find("an object"), std::string::npos);
}

TEST(TrainedUseFile, SaysWhatTheConfigurationSays) {
  Configuration configuration;
  configuration.data.text = "review";
  configuration.data.text_pair = "reply";
  configuration.data.label = std::string("stars");
  configuration.evaluate.threshold = 0.3;
  configuration.train.seed = 9;
  const TrainedUse classes = trained_use(configuration, task_named("sequence-classification"), 40);
  EXPECT_EQ(classes.task, "sequence-classification");
  EXPECT_EQ(classes.text, "review");
  EXPECT_EQ(classes.text_pair, "reply");
  EXPECT_EQ(classes.label, std::vector<std::string>{"stars"});
  EXPECT_EQ(classes.max_length, 40);
  EXPECT_FALSE(classes.threshold.has_value());
  EXPECT_FALSE(classes.masking_seed.has_value());
  EXPECT_EQ(trained_use(configuration, task_named("multi-label"), 40).threshold, 0.3);
  const TrainedUse masks = trained_use(configuration, task_named("masked-lm"), 40);
  EXPECT_EQ(masks.masking_seed, 9);
  EXPECT_TRUE(masks.label.empty());
}

TEST(TrainedUseFile, KeepsWhatPicturesBelongTo) {
  Configuration configuration;
  const TaskSpec& task = task_named("image-classification");
  EXPECT_FALSE(trained_use(configuration, task, 0).group.has_value());
  configuration.data.group = "patient";
  const TrainedUse use = trained_use(configuration, task, 0);
  EXPECT_EQ(use.group, "patient");
  EXPECT_EQ(parse_trained_use(to_json(use), "temper.json"), use);
}

TEST(TrainedUseFile, KeepsHowConversationsWereLearnt) {
  Configuration configuration;
  EXPECT_FALSE(trained_use(configuration, task_named("causal-lm"), 40).conversations.has_value());
  configuration.data.format = "conversations";
  configuration.data.learn = "last";
  configuration.data.learn_roles = {"assistant", "tool"};
  configuration.data.chat_template = "own.jinja";
  const TrainedUse use = trained_use(configuration, task_named("causal-lm"), 40);
  ASSERT_TRUE(use.conversations.has_value());
  EXPECT_EQ(*use.conversations,
            (ConversationUse{"last", {"assistant", "tool"}, true, configuration.data.template_date}))
      << "a template from a file is the folder's own by then";
  EXPECT_EQ(parse_trained_use(to_json(use), "temper.json"), use);
  configuration.data.chat_template = "none";
  EXPECT_FALSE(trained_use(configuration, task_named("causal-lm"), 40).conversations->has_template);
  const std::string message =
      error_of([] { (void)parse_trained_use(R"({"conversations": {"learn": 1}})", "temper.json"); });
  EXPECT_NE(message.find("\"conversations\", \"learn\": found 1"), std::string::npos) << message;
}

TEST(TrainedUseFile, OfAnotherVersionIsReadAsFarAsItGoes) {
  const TrainedUse older = parse_trained_use(R"({"max_length": 48})", "temper.json");
  EXPECT_EQ(older.max_length, 48);
  EXPECT_FALSE(older.text.has_value());
  const TrainedUse newer = parse_trained_use(
      R"({"temper": "9.0", "columns": {"text": "a", "image": "b"}, "chat": [1], "threshold": null})", "temper.json");
  EXPECT_EQ(newer.text, "a");
  EXPECT_FALSE(newer.threshold.has_value());
}

TEST(TrainedUseFile, DamageIsNamed) {
  const auto refusal = [](const char* json) {
    return error_of([&] { static_cast<void>(parse_trained_use(json, "m/temper.json")); });
  };
  EXPECT_HAS(refusal("{"), "m/temper.json: is not JSON");
  EXPECT_HAS(refusal("[]"), "m/temper.json: found [], expected an object");
  EXPECT_HAS(refusal(R"({"max_length": "long"})"), R"(m/temper.json, "max_length": found "long", expected a whole)");
  EXPECT_HAS(refusal(R"({"max_length": 0})"), "at least 1");
  EXPECT_HAS(refusal(R"({"columns": {"text": 1}})"), R"(m/temper.json, "columns", "text": found 1, expected a text)");
  EXPECT_HAS(refusal(R"({"columns": {"label": ["a", 2]}})"), R"("label": found 2)");
  EXPECT_HAS(refusal(R"({"threshold": 1})"), "above 0 and below 1");
  EXPECT_HAS(refusal(R"({"masking": 3})"), "expected an object");
}

TEST(TrainedUseFile, AFolderFromElsewhereHasNone) {
  const testing_support::TemporaryFolder folder;
  EXPECT_FALSE(read_trained_use(folder.path()).has_value());
  static_cast<void>(folder.file("temper.json", R"({"max_length": 48})"));
  EXPECT_EQ(read_trained_use(folder.path())->max_length, 48);
}

TEST(TrainedUseFile, AGgufFileHasItInItsMetadata) {
  const testing_support::TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "model.gguf";
  GgufKeys keys;
  keys.add_text("general.architecture", "llama");
  write_gguf(path, keys, {});
  EXPECT_FALSE(read_trained_use(path).has_value());
  keys.add_text(kTrainedUseKey, R"({"max_length": 48, "running_text": {"end_token": "none"}})");
  write_gguf(path, keys, {});
  EXPECT_EQ(read_trained_use(path)->max_length, 48);
  EXPECT_EQ(read_trained_use(path)->end_token, "none");
}

}  // namespace
}  // namespace temper

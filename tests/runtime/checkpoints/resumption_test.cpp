// What a checkpoint asks of the start that goes on from it.
#include "runtime/checkpoints/resumption.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "runtime/model_export.h"
#include "tests/runtime/shared_test_folder.h"
#include "tests/world.h"

namespace temper {
namespace {

class ResumptionTest : public testing_support::SharedFolderTest {
 protected:
  void SetUp() override {
    SharedFolderTest::SetUp();
    configuration_.model.path = "models/base";
    configuration_.data.train = OneOrMore("data/train.csv");
    configuration_.data.validation = OneOrMore("data/valid.csv");
    configuration_.output.dir = folder_.string();
    configuration_.train.schedule = "constant";
    lineage_.base_model = "base";
    lineage_.base_model_sha256 = "00112233445566778899";
    lineage_.data_files = {{"train", "train.csv", "aa11", 3}, {"validation", "valid.csv", "bb22", 2}};
  }

  /// A checkpoint of the configuration and lineage as they are now.
  void save(std::int64_t step) {
    TrainingState state;
    state.step = step;
    CheckpointContent content;
    content.step = step;
    content.state_json = to_json(state);
    content.configuration_toml = to_toml(configuration_);
    content.lineage_json = lineage_to_json(lineage_);
    content.tensors = {{"parameters/bias", {2}}};
    const std::vector<float> bias{1.0F, 2.0F};
    if (world_.rank() == 0) {
      std::filesystem::create_directories(folder_ / "checkpoints");
      content.slices = {{0, 0, bias}};
    }
    world_.barrier();
    save_checkpoint(checkpoint_path(folder_ / "checkpoints", step), content, world_);
  }
  std::optional<Resumption> found() {
    return find_checkpoint_to_resume(configuration_, world_, [](const std::string&) {});
  }
  /// What is said, and whether it is wrong use; empty where nothing is refused.
  std::pair<std::string, bool> refusal() {
    try {
      if (const std::optional<Resumption> resumption = found())
        require_same_origin(resumption->found, lineage_, configuration_);
    } catch (const Error& error) {
      return {error.what(), error.kind() == ErrorKind::usage};
    }
    return {"", false};
  }

  Configuration configuration_;
  Lineage lineage_;
};

TEST_F(ResumptionTest, GoesOnFromTheNewestCheckpoint) {
  EXPECT_FALSE(found().has_value());
  save(3);
  save(7);
  const std::optional<Resumption> resumption = found();
  ASSERT_TRUE(resumption.has_value());
  EXPECT_EQ(resumption->state.step, 7);
  EXPECT_EQ(resumption->found.path.filename(), "checkpoint-00000007.h5");
  EXPECT_FALSE(resumption->length_before.has_value());
  EXPECT_TRUE(require_same_origin(resumption->found, lineage_, configuration_).empty());
  configuration_.checkpoint.resume = false;
  EXPECT_FALSE(found().has_value());
}

TEST_F(ResumptionTest, AnotherConfigurationIsRefusedByItsKeys) {
  save(3);
  configuration_.run.threads = 7;
  EXPECT_EQ(refusal().first, "");
  configuration_.train.seed = 5;
  configuration_.train.epochs = 9.0;
  const auto [sentence, usage] = refusal();
  EXPECT_NE(sentence.find("another configuration (it differs in train.epochs, train.seed)"), std::string::npos)
      << sentence;
  EXPECT_TRUE(usage);
}

TEST_F(ResumptionTest, TheLengthMayChangeWhereNoRateDependsOnIt) {
  save(3);
  configuration_.train.epochs = 9.0;
  const std::optional<Resumption> longer = found();
  ASSERT_TRUE(longer && longer->length_before);
  EXPECT_EQ(longer->length_before->epochs, 3.0);
  configuration_.tuning.phases = {PhaseConfig{}};
  EXPECT_NE(refusal().first.find("tuning.phases"), std::string::npos);
}

TEST_F(ResumptionTest, FilesMayMoveAndAreNamed) {
  save(3);
  configuration_.data.train = OneOrMore("elsewhere/train.csv");
  configuration_.data.validation = OneOrMore("data/renamed.csv");
  lineage_.data_files[1].file = "renamed.csv";
  const std::optional<Resumption> resumption = found();
  ASSERT_TRUE(resumption.has_value());
  EXPECT_EQ(
      require_same_origin(resumption->found, lineage_, configuration_),
      (std::vector<std::string>{
          "data.train is elsewhere/train.csv now and was data/train.csv when the run began; the content is the same",
          "data.validation is data/renamed.csv now and was data/valid.csv when the run began; the content is the "
          "same"}));
}

TEST_F(ResumptionTest, FilesMayNotChange) {
  save(3);
  lineage_.data_files[1].sha256 = "bb99";
  const auto [changed, changed_is_usage] = refusal();
  EXPECT_NE(changed.find("another version of valid.csv"), std::string::npos) << changed;
  EXPECT_FALSE(changed_is_usage);
  configuration_.data.validation = OneOrMore("data/other.csv");
  lineage_.data_files[1].file = "other.csv";
  const auto [other, other_is_usage] = refusal();
  EXPECT_NE(other.find("data.validation names other.csv"), std::string::npos) << other;
  EXPECT_TRUE(other_is_usage);
  // Whether there is anything to validate on decides which model is best.
  configuration_.data.validation = OneOrMore();
  EXPECT_NE(refusal().first.find("it differs in data.validation"), std::string::npos);
}

TEST_F(ResumptionTest, AnotherBaseModelIsRefused) {
  save(3);
  lineage_.base_model_sha256 = "ff112233445566778899";
  const auto [replaced, replaced_is_usage] = refusal();
  EXPECT_NE(replaced.find("belongs to the base model base with SHA-256 0011223344556677, but models/base holds "
                          "ff11223344556677"),
            std::string::npos)
      << replaced;
  EXPECT_FALSE(replaced_is_usage);
  lineage_.base_model = "another";
  EXPECT_TRUE(refusal().second);
}

}  // namespace
}  // namespace temper

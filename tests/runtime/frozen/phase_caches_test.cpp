// When a phase keeps the frozen part's output, and where. Runs alone and under mpirun.
#include "runtime/frozen/phase_caches.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "model/freezing.h"
#include "tests/hidden_rows.h"
#include "tests/model_fixture.h"
#include "tests/runtime/shared_test_folder.h"
#include "tests/test_device.h"
#include "tests/world.h"

namespace temper {
namespace {

using testing_support::ModelFixture;
using testing_support::rows_of;
using PhaseRows = PhaseCaches::Rows;

class PhaseCachesTest : public testing_support::SharedFolderTest {
 protected:
  void SetUp() override {
    use("bert-frozen", {"embeddings", "encoder.layer.0"});
    SharedFolderTest::SetUp();
    settings_.memory_mib = 64;
    settings_.folder = folder_ / "cache";
    settings_.say = [this](const std::string& text) { said_ += text + "\n"; };
    settings_.stop_requested = [] { return false; };
  }
  void use(const std::string& name, const std::vector<std::string>& patterns) {
    fixture_.emplace(name);
    model_ = fixture_->load(*device_);
    apply_freezing(*model_, patterns);
    data_ = rows_of(fixture_->batch, 200);
  }
  PhaseCaches caches(PhaseLength length = {10, 10, 2}) { return {*model_, *device_, world_, settings_, length}; }
  /// Whether training rows are kept.
  bool keeps(PhaseLength length = {10, 10, 2}) {
    PhaseCaches phase = caches(length);
    EXPECT_TRUE(phase.prepare(PhaseRows::training, data_));
    return phase.of(PhaseRows::training) != nullptr;
  }
  bool keeps_validation(std::int64_t evaluations) {
    PhaseCaches phase = caches({10, 10, evaluations});
    EXPECT_TRUE(phase.prepare(PhaseRows::validation, data_));
    return phase.of(PhaseRows::validation) != nullptr;
  }

  std::unique_ptr<Device> device_ = make_test_device();
  std::optional<ModelFixture> fixture_;
  std::unique_ptr<Model> model_;
  TokenStore data_;
  CacheSettings settings_;
  std::string said_;
};

TEST_F(PhaseCachesTest, KeepTrainingRowsInAPhaseOfAnEpochOrMore) {
  EXPECT_TRUE(keeps({10, 10, 0}));
  EXPECT_FALSE(keeps({9, 10, 0}));
  EXPECT_TRUE(keeps({25, 10, 0}));
}

TEST_F(PhaseCachesTest, KeepValidationRowsThatAreMeasuredTwice) {
  EXPECT_TRUE(keeps_validation(2));
  EXPECT_FALSE(keeps_validation(1));
}

TEST_F(PhaseCachesTest, KeepNothingWhereThereIsNothingToGain) {
  settings_.wanted = false;
  EXPECT_FALSE(keeps());
  settings_.wanted = true;
  apply_freezing(*model_, {});
  EXPECT_FALSE(keeps());
  apply_freezing(*model_, std::vector<std::string>{"embeddings"});
  EXPECT_FALSE(keeps());
}

TEST_F(PhaseCachesTest, KeepNoRowsThatMayReadOtherwise) {
  data_.transform_with([](Batch& /*batch*/, std::uint64_t /*seed*/, std::int64_t /*epoch*/) {}, 1);
  EXPECT_FALSE(keeps());
  EXPECT_FALSE(keeps_validation(2)) << "their labels would be of other rows";
}

TEST(CacheSettingsOfARun, KeepNothingThatIsMaskedAnew) {
  Configuration configuration;
  EXPECT_TRUE(cache_settings(configuration).wanted);
  configuration.model.task = "masked-lm";
  EXPECT_FALSE(cache_settings(configuration).wanted);
}

TEST_F(PhaseCachesTest, FillOnceAndTellHowLongItTook) {
  PhaseCaches phase = caches();
  EXPECT_EQ(phase.of(PhaseRows::training), nullptr);
  ASSERT_TRUE(phase.prepare(PhaseRows::training, data_));
  const FrozenCache* first = phase.of(PhaseRows::training);
  const double seconds = phase.training_seconds();
  EXPECT_GT(seconds, 0.0);
  ASSERT_TRUE(phase.prepare(PhaseRows::training, data_));
  ASSERT_TRUE(phase.prepare(PhaseRows::validation, data_));
  EXPECT_EQ(phase.of(PhaseRows::training), first);
  EXPECT_EQ(phase.training_seconds(), seconds) << "only what steps wait for";
  EXPECT_EQ(first->layout().stages, 2);
}

TEST_F(PhaseCachesTest, WhatMemoryDoesNotHoldGoesIntoAFileOfTheSameBits) {
  PhaseCaches in_memory = caches();
  ASSERT_TRUE(in_memory.prepare(PhaseRows::training, data_));
  settings_.memory_mib = 0;
  PhaseCaches in_file = caches();
  ASSERT_TRUE(in_file.prepare(PhaseRows::training, data_));
  ASSERT_NE(in_file.of(PhaseRows::training), nullptr);
  EXPECT_NE(said_.find("in memory"), std::string::npos) << said_;
  EXPECT_NE(said_.find("in " + settings_.folder), std::string::npos) << said_;
  const std::vector<std::uint32_t> examples{3, 0, 500, 7};
  EXPECT_EQ(hidden_rows(*in_file.of(PhaseRows::training), examples),
            hidden_rows(*in_memory.of(PhaseRows::training), examples));
  EXPECT_TRUE(std::filesystem::is_empty(settings_.folder));
}

TEST_F(PhaseCachesTest, MemoryIsForAllRowsOfAPhaseTogether) {
  data_ = rows_of(fixture_->batch, 800);
  const std::int64_t bytes = lay_out_frozen(data_, *model_, 2, DType::f32).bytes();
  settings_.memory_mib = (bytes >> 20) + 1;
  ASSERT_GT(2 * bytes, settings_.memory_mib << 20);
  PhaseCaches phase = caches();
  ASSERT_TRUE(phase.prepare(PhaseRows::training, data_));
  EXPECT_EQ(said_.find(settings_.folder), std::string::npos) << said_;
  ASSERT_TRUE(phase.prepare(PhaseRows::validation, data_));
  EXPECT_NE(said_.find(settings_.folder), std::string::npos) << said_;
}

TEST_F(PhaseCachesTest, AKeptFileServesTheNextRun) {
  settings_.keep = true;
  ASSERT_TRUE(keeps());
  world_.barrier();
  EXPECT_EQ(said_.find("known"), std::string::npos) << said_;
  said_.clear();
  ASSERT_TRUE(keeps());
  EXPECT_NE(said_.find("frozen layers: known"), std::string::npos) << said_;
  // With more of the model frozen, it is another file.
  said_.clear();
  apply_freezing(*model_, std::vector<std::string>{"embeddings", "encoder.layer.0-1"});
  ASSERT_TRUE(keeps());
  EXPECT_EQ(said_.find("known"), std::string::npos) << said_;
}

TEST_F(PhaseCachesTest, WithoutAnyRoomTrainingGoesOnWithoutThem) {
  settings_.memory_mib = 0;
  if (world_.rank() == 0) std::ofstream(folder_ / "file") << "not a folder";
  world_.barrier();
  settings_.folder = folder_ / "file";
  EXPECT_FALSE(keeps());
  EXPECT_NE(said_.find("no cache"), std::string::npos) << said_;
}

TEST_F(PhaseCachesTest, ASignalLeavesNone) {
  settings_.stop_requested = [this] { return world_.rank() == 0; };
  PhaseCaches phase = caches();
  EXPECT_FALSE(phase.prepare(PhaseRows::training, data_));
  EXPECT_EQ(phase.of(PhaseRows::training), nullptr);
}

TEST_F(PhaseCachesTest, OfAMixtureThatTakesFewOfTheirRowsTheyPayLater) {
  PhaseLength length{.steps = 30, .steps_per_epoch = 10, .evaluations = 0, .epoch_share = 0.25};
  EXPECT_FALSE(caches(length).worthwhile(PhaseCaches::Rows::training));
  length.steps = 40;
  EXPECT_TRUE(caches(length).worthwhile(PhaseCaches::Rows::training));
}

TEST(PhaseLengthTest, CountsEvaluationsOfTheWholePhase) {
  PhasePlan phase;
  phase.begin_step = 10;
  phase.end_step = 30;
  EXPECT_EQ(length_of(phase, 7, 40, 0).evaluations, 0);
  EXPECT_EQ(length_of(phase, 7, 40, 7).evaluations, 3) << "14, 21, 28";
  EXPECT_EQ(length_of(phase, 7, 30, 7).evaluations, 4) << "and the end of the run";
  EXPECT_EQ(length_of(phase, 7, 30, 10).evaluations, 2) << "10 was in the phase before";
  EXPECT_EQ(length_of(phase, 7, 40, 7).steps, 20);
}

}  // namespace
}  // namespace temper

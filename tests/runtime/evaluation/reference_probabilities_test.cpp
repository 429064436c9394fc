// The reference of preference pairs: in blocks, between which ranks agree; stopped, kept, and gone on with.
#include "runtime/evaluation/reference_probabilities.h"

#include <gtest/gtest.h>

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "model/adapters/lora.h"
#include "tests/data/temporary_folder.h"
#include "tests/model_fixture.h"
#include "tests/test_device.h"
#include "tests/world.h"

namespace temper {
namespace {

using testing_support::ModelFixture;

class ReferenceOfPairs : public testing::Test {
 protected:
  void SetUp() override {
    fixture_.emplace("llama-causal");
    fixture_->request.loss.kind = LossKind::preference;
    model_ = fixture_->load(*device_);
    // Answers of unlike lengths behind prompts of two tokens.
    for (std::int32_t row = 0; row < 2 * kPairs; ++row) {
      const std::int32_t length = 4 + row * 5 % 7;
      for (std::int32_t i = 0; i < length; ++i) rows_.ids.push_back((row * 7 + i * 3) % 11);
      rows_.types.resize(rows_.ids.size());
      const auto first = rows_.ids.end() - length;
      for (std::int32_t i = 1; i <= length; ++i) rows_.classes.push_back(i < 2 || i == length ? kUnlabelled : first[i]);
      rows_.starts.push_back(rows_.tokens());
    }
    settings_.folder = folder_.path();
    settings_.say = [this](const std::string& text) { said_ += text + "\n"; };
    settings_.block_tokens = 20;
  }

  /// Pairs that were compared, and what came of it.
  ReferenceOutcome compare(PairedRows& pairs) {
    said_.clear();
    std::vector<PairedRows*> all{&pairs};
    return compare_with_model(all, *model_, *device_, *world_, settings_);
  }
  [[nodiscard]] PairedRows pairs() const { return PairedRows(TokenStore(rows_)); }
  static std::vector<double> references_of(const PairedRows& pairs) {
    std::vector<std::int64_t> all;
    for (std::int64_t pair = 0; pair < pairs.rows(); ++pair) all.push_back(pair);
    return pairs.read(all, 0).references;
  }
  [[nodiscard]] std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path()))
      if (entry.path().extension() == ".f64") found.push_back(entry.path());
    return found;
  }
  /// The same values in one go, by a rank that keeps nothing.
  std::vector<double> expected() {
    PairedRows alone = pairs();
    std::vector<PairedRows*> all{&alone};
    ReferenceSettings settings;
    settings.activations = settings_.activations;
    settings.say = [](const std::string&) {};
    EXPECT_TRUE(compare_with_model(all, *model_, *device_, *solo_, settings).is_whole);
    return references_of(alone);
  }
  /// Asks to stop behind so many rounds, which the second of several ranks asks for.
  void stop_behind(int rounds) {
    settings_.stop_requested = [this, rounds, asked = 0]() mutable {
      ++asked;
      return asked >= rounds && world_->rank() == world_->size() - 1;
    };
  }

  static constexpr std::int32_t kPairs = 40;
  testing_support::TemporaryFolder folder_;
  std::unique_ptr<Device> device_ = make_test_device();
  std::unique_ptr<Communicator> solo_ = make_solo_communicator();
  Communicator* world_ = &world_communicator();
  std::optional<ModelFixture> fixture_;
  std::unique_ptr<Model> model_;
  TokenRows rows_;
  ReferenceSettings settings_;
  std::string said_;
};

TEST_F(ReferenceOfPairs, StopsBetweenBlocksAndGoesOnFromWhatIsKept) {
  for (const DType type : {DType::f32, DType::bf16}) {
    if (type == DType::bf16 && !device_->has_bf16()) continue;
    settings_.activations = type;
    const std::vector<double> expected = this->expected();
    stop_behind(2);
    PairedRows stopped = pairs();
    const ReferenceOutcome outcome = compare(stopped);
    EXPECT_FALSE(outcome.is_whole);
    EXPECT_TRUE(outcome.has_kept) << "on all ranks";
    EXPECT_HAS(said_, "reference: stopped behind ");
    EXPECT_HAS(said_, " of 40 pairs; another start goes on from there");
    settings_.stop_requested = [] { return false; };
    settings_.block_tokens = 64;  // another cut, as another number of ranks makes one
    PairedRows resumed = pairs();
    EXPECT_TRUE(compare(resumed).is_whole);
    if (world_->rank() == 0) {
      EXPECT_HAS(said_, "reference: goes on behind ");
    }
    EXPECT_EQ(references_of(resumed), expected) << "bit for bit";
    PairedRows again = pairs();
    const ReferenceOutcome known = compare(again);
    EXPECT_TRUE(known.is_whole);
    EXPECT_FALSE(known.has_kept) << "nothing was computed";
    EXPECT_HAS(said_, "reference: known for 40 pairs");
    EXPECT_EQ(references_of(again), expected);
    settings_.block_tokens = 20;
  }
}

TEST_F(ReferenceOfPairs, StoppedWithoutAFolderKeepsNothing) {
  settings_.folder.clear();
  stop_behind(1);
  PairedRows stopped = pairs();
  const ReferenceOutcome outcome = compare(stopped);
  EXPECT_FALSE(outcome.is_whole);
  EXPECT_FALSE(outcome.has_kept);
  EXPECT_HAS(said_, "none are kept, as data.cache is false");
}

TEST_F(ReferenceOfPairs, ADamagedFileCountsAsAbsent) {
  const std::vector<double> expected = this->expected();
  PairedRows first = pairs();
  ASSERT_TRUE(compare(first).is_whole);
  if (world_->rank() == 0) {
    ASSERT_EQ(files().size(), 1U);
    // Cut to a whole number of values, but not by who wrote it.
    std::filesystem::resize_file(files().front(), std::filesystem::file_size(files().front()) - 8);
  }
  PairedRows second = pairs();
  EXPECT_TRUE(compare(second).is_whole);
  EXPECT_EQ(said_.find("goes on"), std::string::npos) << said_;
  EXPECT_HAS(said_, "computed in");
  EXPECT_EQ(references_of(second), expected);
}

TEST_F(ReferenceOfPairs, AFolderThatCannotBeWrittenIsSaid) {
  settings_.folder = folder_.file("no-folder", "a file") / "cache";
  PairedRows all = pairs();
  EXPECT_TRUE(compare(all).is_whole);
  if (world_->rank() == 0) {
    EXPECT_HAS(said_, "the run does without it");
  }
}

TEST_F(ReferenceOfPairs, WeightsThatAreNotFiniteAreRefused) {
  const Parameter* norm = model_->parameters().find("model.norm.weight");
  ASSERT_NE(norm, nullptr);
  const std::vector<float> spoilt(static_cast<std::size_t>(norm->size()), std::numeric_limits<float>::quiet_NaN());
  norm->variable.set_value(device_->upload(std::span<const float>(spoilt), norm->shape));
  PairedRows all = pairs();
  EXPECT_THROW(compare(all), Error);
  EXPECT_TRUE(files().empty()) << "what cannot be used is not kept";
}

TEST_F(ReferenceOfPairs, NewAdaptersCountByTheirModulesAlone) {
  const std::string bare = model_->definition();
  const std::string without = reference_key(*model_, *device_, DType::f32, {});
  const auto key = [&](std::int64_t rank, std::uint64_t seed, const std::string& target, bool dora, bool are_new) {
    const std::unique_ptr<Model> model = fixture_->load(*device_);
    LoraSettings settings;
    settings.rank = rank;
    settings.alpha = static_cast<double>(2 * rank);
    settings.dora = dora;
    settings.targets = {{target}, false};
    const Lora lora = attach_lora(*model, *device_, settings, seed, "test");
    return reference_key(*model, *device_, DType::f32, are_new ? NewAdapters{&lora, bare} : NewAdapters{});
  };
  const std::string one = key(2, 1, "q_proj", false, true);
  EXPECT_EQ(key(4, 2, "q_proj", false, true), one) << "neither rank, scale nor seed change what is computed";
  EXPECT_NE(one, without) << "an adapted product takes another way";
  EXPECT_NE(key(2, 1, "v_proj", false, true), one);
  EXPECT_NE(key(2, 1, "q_proj", true, true), one);
  EXPECT_NE(key(2, 1, "q_proj", false, false), key(2, 2, "q_proj", false, false)) << "of model.adapter all counts";
}

}  // namespace
}  // namespace temper

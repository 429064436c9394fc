#include "runtime/steps/device_batch.h"

#include <gtest/gtest.h>

#include "data/token_rows.h"
#include "tests/data/example_rows.h"
#include "tests/distant_device.h"

namespace temper {
namespace {

using testing_support::DistantDevice;

constexpr Readout kReadFirst{ReadTokens::first};
constexpr Readout kLabelled{ReadTokens::labelled};

/// Two sequences of three and two tokens, of which the second and the last carry a label.
Batch token_batch() {
  Batch batch;
  batch.text().ids = {7, 3, 7, 9, 3};
  batch.text().types = {0, 0, 1, 0, 0};
  batch.positions = {0, 1, 2, 0, 1};
  batch.sequence_starts = {0, 3, 5};
  batch.examples = {40, 41};
  batch.classes = {kUnlabelled, 2, kUnlabelled, kUnlabelled, 1};
  return batch;
}

class DeviceBatchTest : public testing::Test {
 protected:
  std::vector<std::int32_t> numbers(const Tensor& tensor) { return device_.download<std::int32_t>(tensor); }
  std::vector<std::uint32_t> names(const Tensor& tensor) { return device_.download<std::uint32_t>(tensor); }

  DistantDevice device_;
};

using Numbers = std::vector<std::int32_t>;
using DrawNames = std::vector<std::uint32_t>;

TEST_F(DeviceBatchTest, AReadoutOfLabelsSelectsTheTokensWithLabels) {
  const DeviceBatch batch = to_device(token_batch(), kLabelled, {}, device_);
  EXPECT_EQ(batch.rows, 2);
  EXPECT_EQ(numbers(batch.selection.rows), (Numbers{1, 4}));
  EXPECT_FALSE(batch.selection.one_of_each) << "another batch may have more labels";
  EXPECT_EQ(numbers(batch.selection.starts), (Numbers{0, 1, 2}));
  EXPECT_EQ(names(batch.selection.examples), (DrawNames{40, 41}));
  EXPECT_EQ(names(batch.selection.positions), (DrawNames{1, 1}));
  EXPECT_EQ(numbers(batch.targets.classes), (Numbers{2, 1}));
  EXPECT_EQ(batch.host_classes, (Numbers{2, 1}));
  EXPECT_EQ(names(batch.input.token_examples), (DrawNames{40, 40, 40, 41, 41}));
  EXPECT_EQ(names(batch.input.token_positions), (DrawNames{0, 1, 2, 0, 1}));
  EXPECT_EQ(batch.input.longest, 3);
}

TEST_F(DeviceBatchTest, WithoutLabelsThatReadsEveryToken) {
  Batch host = token_batch();
  host.classes.clear();
  const DeviceBatch batch = to_device(host, kLabelled, {.labelled = false}, device_);
  EXPECT_EQ(batch.rows, 5);
  EXPECT_FALSE(batch.selection.rows.defined());
  EXPECT_FALSE(batch.targets.classes.defined());
  EXPECT_TRUE(batch.host_classes.empty());
}

TEST_F(DeviceBatchTest, OneOfEachSequenceIsTheFirstToken) {
  Batch host = token_batch();
  host.classes = {5, 6};
  const DeviceBatch batch = to_device(host, kReadFirst, {}, device_);
  EXPECT_EQ(numbers(batch.selection.rows), (Numbers{0, 3}));
  EXPECT_TRUE(batch.selection.one_of_each);
  EXPECT_EQ(batch.host_classes, (Numbers{5, 6}));
  EXPECT_EQ(numbers(batch.targets.classes), (Numbers{5, 6}));
  EXPECT_FALSE(batch.targets.values.defined());
}

TEST_F(DeviceBatchTest, OrTheLastThatIsNoPadding) {
  Batch host = token_batch();
  host.classes = {5, 6};
  const auto rows_of = [&](const Readout& readout) {
    const DeviceBatch batch = to_device(host, readout, {}, device_);
    EXPECT_TRUE(batch.selection.one_of_each);
    EXPECT_EQ(batch.rows, 2);
    EXPECT_EQ(batch.host_classes, (Numbers{5, 6}));
    return std::pair(numbers(batch.selection.rows), names(batch.selection.positions));
  };
  EXPECT_EQ(rows_of({ReadTokens::last}), std::pair(Numbers({2, 4}), DrawNames({2, 1})));
  EXPECT_EQ(rows_of({ReadTokens::last, 3}), std::pair(Numbers({2, 3}), DrawNames({2, 0})))
      << "the 3 at the end of the second is padding, the one inside the first is passed over by nobody";
  host.text().ids = {3, 3, 3, 9, 3};
  EXPECT_EQ(rows_of({ReadTokens::last, 3}), std::pair(Numbers({0, 3}), DrawNames({0, 0}))) << "all of it is padding";
}

TEST_F(DeviceBatchTest, AMeanNamesEachSequenceByItsFirstToken) {
  Batch host = token_batch();
  host.classes = {5, 6};
  const DeviceBatch batch = to_device(host, {ReadTokens::mean}, {}, device_);
  EXPECT_EQ(numbers(batch.selection.rows), (Numbers{0, 3}));
  EXPECT_EQ(numbers(batch.selection.starts), (Numbers{0, 1, 2}));
  EXPECT_EQ(batch.rows, 2);
  EXPECT_EQ(batch.host_classes, (Numbers{5, 6}));
}

TEST_F(DeviceBatchTest, EveryTokenKeepsItsClass) {
  const DeviceBatch batch = to_device(token_batch(), {ReadTokens::every}, {}, device_);
  EXPECT_FALSE(batch.selection.defined());
  EXPECT_EQ(batch.rows, 5);
  EXPECT_EQ(batch.host_classes, token_batch().classes);
}

TEST_F(DeviceBatchTest, TargetsHaveTheirShape) {
  Batch host = token_batch();
  host.classes.clear();
  host.targets = {0.0F, 1.0F, 1.0F, 0.5F, 0.25F, 0.0F};
  host.target_width = 3;
  const DeviceBatch batch = to_device(host, kReadFirst, {}, device_);
  EXPECT_EQ(batch.targets.values.shape(), (Shape{2, 3}));
  EXPECT_EQ(device_.download<float>(batch.targets.values), host.targets);
  EXPECT_FALSE(batch.targets.classes.defined());
}

TEST_F(DeviceBatchTest, GroupsTokensOnlyWhereEmbeddingsAreTrained) {
  const DeviceBatch frozen = to_device(token_batch(), kLabelled, {}, device_);
  EXPECT_FALSE(frozen.input.indices.by_id.ids.defined());
  const BatchUse use{.labelled = true, .trains_embeddings = true};
  const DeviceBatch trained = to_device(token_batch(), kLabelled, use, device_);
  const EmbeddingIndices& indices = trained.input.indices;
  EXPECT_EQ(numbers(indices.by_id.ids), (Numbers{3, 7, 9}));
  EXPECT_EQ(numbers(indices.by_id.order), (Numbers{1, 4, 0, 2, 3}));
  EXPECT_EQ(numbers(indices.by_id.row_starts), (Numbers{0, 2, 4, 5}));
  EXPECT_EQ(numbers(indices.by_position.ids), (Numbers{0, 1, 2}));
  EXPECT_EQ(numbers(indices.by_position.order), (Numbers{0, 3, 1, 4, 2}));
  EXPECT_EQ(numbers(indices.by_type.ids), (Numbers{0, 1}));
  EXPECT_EQ(numbers(indices.by_type.piece_starts), (Numbers{0, 1, 2}));
}

TEST_F(DeviceBatchTest, IsBroughtInOneCopy) {
  // What one copy carries is one block of memory: every array lies in it.
  const BatchUse use{.labelled = true, .trains_embeddings = true};
  const DeviceBatch batch = to_device(token_batch(), kLabelled, use, device_);
  const auto* first = static_cast<const std::byte*>(batch.input.indices.ids.bytes());
  const auto* last = static_cast<const std::byte*>(batch.targets.classes.bytes());
  ASSERT_GT(last, first);
  EXPECT_TRUE(device_.distant_memory().holds(first, static_cast<std::size_t>(last - first)));
  EXPECT_EQ(device_.uploads, 1);
}

TEST_F(DeviceBatchTest, MayBeEmpty) {
  const DeviceBatch batch = to_device(Batch{}, kReadFirst, {.trains_embeddings = true}, device_);
  EXPECT_EQ(batch.rows, 0);
  EXPECT_EQ(batch.input.tokens(), 0);
  EXPECT_EQ(batch.input.indices.by_id.groups().groups, 0);
}

TEST_F(DeviceBatchTest, WeightsOfReadTokensComeAlongWhereTheyAreAskedFor) {
  TokenRows rows = testing_support::rows_with_weights({3, 2});
  rows.classes[1] = kUnlabelled;
  const TokenStore store(std::move(rows));
  const std::vector<std::int64_t> all{0, 1};
  const Batch batch = store.read(all, 0);
  const DeviceBatch weighed = to_device(batch, kLabelled, BatchUse{.weighted = true}, device_);
  EXPECT_EQ(device_.download<float>(weighed.targets.weights), (std::vector<float>{0.5F, 2.5F, 3.5F, 4.5F}));
  EXPECT_FALSE(to_device(batch, kLabelled, BatchUse{}, device_).targets.weights.defined())
      << "an evaluation counts each token once";
}

}  // namespace
}  // namespace temper

#include "data/text/masking.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "base/counter_random.h"
#include "data/token_store.h"
#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

using testing_support::error_of;

constexpr std::int32_t kVocabulary = 1000;
constexpr std::int32_t kFirstPlain = 5;
constexpr std::int32_t kMask = 4;

MaskingVocabulary vocabulary() {
  MaskingVocabulary vocabulary{kMask, kVocabulary, std::vector<bool>(kVocabulary)};
  std::fill_n(vocabulary.special.begin(), kFirstPlain, true);
  return vocabulary;
}

/// Rows of 100 tokens, the first and the last of them special.
TokenStore rows(std::int64_t count) {
  CounterRandom random({3});
  TokenRows made;
  for (std::int64_t row = 0; row < count; ++row) {
    for (int i = 0; i < 100; ++i)
      made.ids.push_back(
          i % 99 == 0 ? 2 : kFirstPlain + static_cast<std::int32_t>(random.below(kVocabulary - kFirstPlain)));
    made.types.resize(made.ids.size());
    made.starts.push_back(made.tokens());
  }
  return TokenStore(std::move(made));
}

Batch all_of(const TokenStore& store) {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(store.rows()));
  std::iota(numbers.begin(), numbers.end(), 0);
  return store.read(numbers, 0);
}

TEST(Masking, HasTheSharesOfTheBertPaper) {
  const Batch before = all_of(rows(1000));
  Batch batch = before;
  mask_tokens(batch, vocabulary(), 1, 0);
  double chosen = 0;
  double masked = 0;
  double kept = 0;
  double replaced = 0;
  for (std::size_t t = 0; t < batch.text().ids.size(); ++t) {
    if (batch.classes[t] == kUnlabelled) {
      ASSERT_EQ(batch.text().ids[t], before.text().ids[t]);
      continue;
    }
    ASSERT_EQ(batch.classes[t], before.text().ids[t]);
    ASSERT_GE(before.text().ids[t], kFirstPlain) << "special tokens are never chosen";
    ++chosen;
    if (batch.text().ids[t] == kMask) {
      ++masked;
    } else if (batch.text().ids[t] == before.text().ids[t]) {
      ++kept;
    } else {
      ASSERT_GE(batch.text().ids[t], kFirstPlain) << "special tokens are never drawn";
      ++replaced;
    }
  }
  EXPECT_NEAR(chosen / 98000, 0.15, 0.007);  // six standard deviations
  EXPECT_NEAR(masked / chosen, 0.8, 0.02);
  EXPECT_NEAR(kept / chosen, 0.1, 0.015);
  EXPECT_NEAR(replaced / chosen, 0.1, 0.015);
}

TEST(Masking, DependsOnTheExampleAndNotOnItsBatch) {
  const TokenStore store = rows(6);
  Batch all = all_of(store);
  mask_tokens(all, vocabulary(), 1, 2);
  const std::array<std::int64_t, 1> third = {3};
  Batch alone = store.read(third, 0);
  mask_tokens(alone, vocabulary(), 1, 2);
  EXPECT_TRUE(std::equal(alone.text().ids.begin(), alone.text().ids.end(), all.text().ids.begin() + 300));
  EXPECT_TRUE(std::equal(alone.classes.begin(), alone.classes.end(), all.classes.begin() + 300));
}

TEST(Masking, DiffersByEpochAndSeed) {
  const Batch before = all_of(rows(2));
  Batch first = before;
  Batch other_epoch = before;
  Batch other_seed = before;
  mask_tokens(first, vocabulary(), 1, 0);
  mask_tokens(other_epoch, vocabulary(), 1, 1);
  mask_tokens(other_seed, vocabulary(), 2, 0);
  EXPECT_NE(first.text().ids, other_epoch.text().ids);
  EXPECT_NE(first.text().ids, other_seed.text().ids);
}

TEST(Masking, RefusesAVocabularyWithoutMaskAndIdsOutsideIt) {
  Batch batch = all_of(rows(1));
  MaskingVocabulary without = vocabulary();
  without.mask_id = -1;
  EXPECT_HAS(error_of([&] { mask_tokens(batch, without, 1, 0); }), "the mask token has the id -1");
  batch.text().ids[5] = kVocabulary;
  EXPECT_HAS(error_of([&] { mask_tokens(batch, vocabulary(), 1, 0); }), "a token has the id 1000");
}

}  // namespace
}  // namespace temper

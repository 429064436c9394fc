#include "data/text/running_text.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/data/tokenizer/tokenizer_json.h"

namespace temper {
namespace {

using Ints = std::vector<std::int32_t>;
using Starts = std::vector<std::int64_t>;

TokenStore documents_of(const std::vector<std::int64_t>& lengths) {
  TokenRows rows;
  for (const std::int64_t length : lengths) rows.starts.push_back(rows.starts.back() + length);
  rows.ids.resize(static_cast<std::size_t>(rows.starts.back()));
  std::iota(rows.ids.begin(), rows.ids.end(), 0);
  rows.types.assign(rows.ids.size(), 0);
  return TokenStore(std::move(rows));
}

Starts starts_of(const TokenStore& rows) { return {rows.starts().begin(), rows.starts().end()}; }

TEST(RunningText, LongDocumentsAreSplitAndShortOnesStay) {
  const TokenStore documents = documents_of({3, 9, 4});
  const TokenStore rows = sequences_of(documents, {TextPacking::documents, 4});
  EXPECT_EQ(starts_of(rows), (Starts{0, 3, 7, 11, 12, 16}));
  EXPECT_EQ(rows.document_starts().size(), 4U);
  EXPECT_TRUE(rows.predicts_next());
}

TEST(RunningText, BlocksGoOnThroughDocuments) {
  const TokenStore rows = sequences_of(documents_of({3, 9, 2}), {TextPacking::blocks, 4});
  EXPECT_EQ(starts_of(rows), (Starts{0, 4, 8, 12, 14}));
  const std::vector<std::int64_t> first{0};
  EXPECT_EQ(rows.read(first, 0).classes, (Ints{1, 2, 3, kUnlabelled}));
}

TEST(RunningText, BlocksEndWhereTheyAreTold) {
  const std::vector<std::int64_t> breaks{2, 3, 4};
  const TokenStore rows = sequences_of(documents_of({3, 3, 4, 1}), {TextPacking::blocks, 4}, breaks);
  EXPECT_EQ(starts_of(rows), (Starts{0, 4, 6, 10, 11}));
}

TEST(RunningText, WindowsPredictEachTokenOnce) {
  const TokenStore documents = documents_of({3, 9, 1});
  const TextWindows windows(documents, 4, 2);
  std::vector<int> times(13);
  for (std::int64_t row = 0; row < windows.rows(); ++row) {
    const std::vector<std::int64_t> one{row};
    const Batch batch = windows.read(one, 0);
    for (std::size_t t = 0; t < batch.classes.size(); ++t) {
      if (batch.classes[t] == kUnlabelled) continue;
      EXPECT_EQ(batch.classes[t], batch.text().ids[t] + 1);
      ++times[static_cast<std::size_t>(batch.classes[t])];
      EXPECT_TRUE(t + 1 >= 2 || row == 0 || windows.document(row) != windows.document(row - 1)) << "context";
    }
  }
  EXPECT_EQ(times, (std::vector<int>{0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0})) << "but for the first of a document";
  EXPECT_ANY_THROW(TextWindows(documents, 4, 5));
}

TEST(RunningText, BytesAreThoseOfThePredictedTokens) {
  const std::unique_ptr<Tokenizer> tokenizer = testing_support::tokenizer_of(testing_support::small_bert());
  const std::int32_t cat = tokenizer->id_of("cat").value();
  EXPECT_EQ(tokenizer->bytes_of(cat), 3);
  EXPECT_EQ(tokenizer->bytes_of(tokenizer->id_of("[CLS]").value()), 0);
  EXPECT_EQ(tokenizer->bytes_of(1 << 20), 0);
  TokenRows rows;
  rows.ids = {cat, cat, cat, cat};
  rows.types.assign(4, 0);
  rows.starts = {0, 3, 4};
  const TokenStore store(std::move(rows));
  EXPECT_EQ(predicted_bytes(store, 14, *tokenizer), 8) << "two tokens of 3 bytes have nothing before them";
  EXPECT_EQ(predicted_bytes(store, -1, *tokenizer), 6);
  EXPECT_EQ(document_bytes(store.ids(), 14, 4, 2, *tokenizer), 11);
  EXPECT_EQ(document_bytes(store.ids(), 14, 2, 2, *tokenizer), 8);
}

}  // namespace
}  // namespace temper

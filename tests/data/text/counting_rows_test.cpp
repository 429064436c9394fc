#include "data/text/counting_rows.h"

#include <gtest/gtest.h>

#include <vector>

#include "data/text/running_text.h"

namespace temper {
namespace {

using Ints = std::vector<std::int32_t>;

TokenRows rows_of(const std::vector<Ints>& texts) {
  TokenRows rows;
  for (const Ints& ids : texts) {
    rows.ids.insert(rows.ids.end(), ids.begin(), ids.end());
    rows.starts.push_back(static_cast<std::int64_t>(rows.ids.size()));
  }
  rows.types.assign(rows.ids.size(), 0);
  return rows;
}

TEST(CountingRows, OfRunningTextThoseOfOneTokenCountForNothing) {
  TokenStore rows(rows_of({{4}, {5, 6}, {7}, {8}}));
  EXPECT_EQ(count_idle_rows(rows, nullptr, false).idle, 0) << "rows that have a class of their own, or a number";
  rows.label_with_next_tokens();
  EXPECT_EQ(count_idle_rows(rows, nullptr, false).idle, 3);
  EXPECT_EQ(count_idle_rows(rows, nullptr, true).looked_at, 2) << "the second one counts";
  const std::vector<Finding> findings = diagnose_idle_rows(rows, nullptr);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings.front().name, "idle_rows");
  EXPECT_EQ(findings.front().severity, Severity::warning);
  EXPECT_NE(findings.front().sentence.find("3 of 4 training rows are of one token"), std::string::npos)
      << findings.front().sentence;
  EXPECT_TRUE(has_counting_row(rows));
  TokenStore none(rows_of({{4}, {5}}));
  none.label_with_next_tokens();
  EXPECT_FALSE(has_counting_row(none));
  EXPECT_EQ(count_idle_rows(none, nullptr, true).idle, none.rows());
}

TEST(CountingRows, OfMaskedTextThoseOfSpecialTokens) {
  const std::vector<bool> maskable{false, false, true, true};
  const TokenStore rows(rows_of({{0, 1}, {0, 2, 1}, {1}, {3, 0}, {0, 9}}));
  EXPECT_EQ(count_idle_rows(rows, &maskable, false).idle, 3);
  EXPECT_EQ(count_idle_rows(rows, &maskable, true).looked_at, 2);
}

TEST(CountingRows, OfWordsThoseWithoutALabel) {
  TokenRows labelled = rows_of({{0, 1}, {0, 2, 1}, {1, 1}});
  labelled.classes = {kUnlabelled, kUnlabelled, kUnlabelled, 2, kUnlabelled, kUnlabelled, kUnlabelled};
  const TokenStore rows(std::move(labelled));
  EXPECT_EQ(count_idle_rows(rows, nullptr, false).idle, 2);
  EXPECT_TRUE(has_counting_row(rows));
  EXPECT_NE(diagnose_idle_rows(rows, nullptr).front().sentence.find("2 of 3 training rows are without a word"),
            std::string::npos);
}

/// What an evaluation reads may be other than the rows: windows, or tokens that are masked.
TEST(CountingRows, AreSeenAsAnEvaluationReadsThem) {
  const TokenStore documents(rows_of({{4}, {5}}));
  EXPECT_FALSE(has_counting_row(TextWindows(documents, 4, 2)));
  const TokenStore longer(rows_of({{4}, {5, 6}}));
  EXPECT_TRUE(has_counting_row(TextWindows(longer, 4, 2)));
  TokenStore masked(rows_of({{4, 5}, {5, 6}}));
  bool chooses = false;
  masked.transform_with(
      [&](Batch& batch, std::uint64_t, std::int64_t) {
        batch.classes.assign(batch.text().ids.size(), kUnlabelled);
        if (chooses) batch.classes.back() = 6;
      },
      0);
  EXPECT_FALSE(has_counting_row(masked));
  chooses = true;
  EXPECT_TRUE(has_counting_row(masked));
}

}  // namespace
}  // namespace temper

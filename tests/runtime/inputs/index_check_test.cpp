#include "runtime/inputs/index_check.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace temper {
namespace {

/// Two rows of three and two tokens.
TokenRows rows() {
  TokenRows rows;
  rows.ids = {2, 5, 3, 2, 3};
  rows.types = {0, 0, 1, 0, 0};
  rows.starts = {0, 3, 5};
  rows.classes = {0, 2};
  return rows;
}

constexpr IndexLimits kLimits{6, 2, 3, 3};

std::string index_refusal(const TokenRows& rows, const IndexLimits& limits) {
  try {
    require_indices(TokenStore(rows), limits, "train.csv");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void expect_refused(const TokenRows& rows, const IndexLimits& limits, std::initializer_list<std::string_view> parts) {
  const std::string sentence = index_refusal(rows, limits);
  for (const std::string_view part : parts)
    EXPECT_NE(sentence.find(part), std::string::npos) << "\"" << part << "\" is not in: " << sentence;
}

TEST(IndexCheck, LetsThroughWhatFits) {
  EXPECT_EQ(index_refusal(rows(), kLimits), "");
  EXPECT_EQ(index_refusal(TokenRows(), kLimits), "");
  // A model without types reads none.
  EXPECT_EQ(index_refusal(rows(), {6, 0, 3, 3}), "");
}

TEST(IndexCheck, RefusesTokensWithoutEmbedding) {
  expect_refused(rows(), {5, 2, 3, 3}, {"train.csv", "row 1", "id 5", "5 tokens"});
  TokenRows negative = rows();
  negative.ids[3] = -1;
  expect_refused(negative, kLimits, {"row 2", "id -1"});
}

TEST(IndexCheck, RefusesTypesBeyondTheTable) {
  expect_refused(rows(), {6, 1, 3, 3}, {"row 1", "type 1", "1 row of", "type_vocab_size", "model_input_names"});
}

TEST(IndexCheck, RefusesRowsBeyondThePositions) {
  expect_refused(rows(), {6, 2, 2, 3}, {"row 1", "3 tokens", "positions for 2", "data.max_length"});
}

TEST(IndexCheck, RefusesClassesBeyondTheHead) {
  expect_refused(rows(), {6, 2, 3, 2}, {"row 2", "class 2", "2 outputs"});
  TokenRows unlabelled = rows();
  unlabelled.classes[0] = kUnlabelled;
  expect_refused(unlabelled, kLimits, {"row 1", "class -100"});
}

TEST(IndexCheck, LetsTokensHaveNoClass) {
  TokenRows tokens = rows();
  tokens.classes = {kUnlabelled, 0, kUnlabelled, 2, kUnlabelled};
  EXPECT_EQ(index_refusal(tokens, kLimits), "");
  tokens.classes[3] = 3;
  expect_refused(tokens, kLimits, {"row 2", "class 3"});
}

TEST(IndexCheck, RefusesTargetsOfAnotherNumber) {
  TokenRows targets = rows();
  targets.classes.clear();
  targets.targets = {0, 1, 1, 0};
  targets.target_width = 2;
  expect_refused(targets, kLimits, {"2 targets", "3 outputs"});
}

}  // namespace
}  // namespace temper

#include "model/huggingface/model_card.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string_view>

#include "model/model.h"

namespace temper {
namespace {

void expect_part(const std::string& card, std::string_view part) {
  EXPECT_NE(card.find(part), std::string::npos) << "\"" << part << "\" is not in:\n" << card;
}

Lineage lineage() {
  Lineage made;
  made.title = "first";
  made.architecture = "BertForSequenceClassification";
  made.task = "sequence-classification";
  made.hub_pipeline = "text-classification";
  made.base_model = "minilm";
  made.base_model_sha256 = "0123abcd";
  made.labels = {"no", "yes"};
  made.data_files = {{"train", "train.csv", "77ff", 1200}, {"test", "test.csv", "88aa", 300}};
  made.program_version = "0.1.0";
  made.ranks = 4;
  made.steps = 375;
  made.metrics = {{"accuracy", 0.875}, {"loss", 0.5}};
  made.configuration = "[train]\nepochs = 3";
  return made;
}

TEST(ModelCard, RecordsTheLineage) {
  const std::string card = model_card(lineage());
  EXPECT_TRUE(
      card.starts_with("---\nlibrary_name: transformers\npipeline_tag: text-classification\n"
                       "base_model: \"minilm\"\ntags:\n- temper\n- fine-tuned\n---\n\n# first\n"));
  expect_part(card, "| Architecture | BertForSequenceClassification |");
  expect_part(card, "| Base model | minilm |");
  expect_part(card, "| SHA-256 of the base model | 0123abcd |");
  expect_part(card, "| Trained with | Temper 0.1.0 |");
  expect_part(card, "| Ranks | 4 |");
  expect_part(card, "| Optimiser steps | 375 |");
  expect_part(card, "| accuracy | 0.875 |");
  expect_part(card, "| train | train.csv | 1200 | 77ff |");
  expect_part(card, "| test | test.csv | 300 | 88aa |");
  expect_part(card, "| 1 | yes |");
  expect_part(card, "```toml\n[train]\nepochs = 3\n```\n");
}

TEST(ModelCard, SaysHowItIsRead) {
  Lineage read = lineage();
  read.reading = {{"Positive class", "ill"}, {"Threshold", "0.412 (youden)"}};
  read.caution = "This model is no medical device.";
  expect_part(model_card(read),
              "## How to read it\n\n| | |\n|---|---|\n| Positive class | ill |\n| Threshold | 0.412 (youden) |\n\n"
              "This model is no medical device.\n");
}

TEST(ModelCard, HubsFindAModelByItsPipeline) {
  Lineage masks = lineage();
  masks.hub_pipeline = "fill-mask";
  expect_part(model_card(masks), "pipeline_tag: fill-mask\n");
}

TEST(ModelCard, LeavesOutWhatIsNotKnown) {
  EXPECT_EQ(model_card({}),
            "---\nlibrary_name: transformers\ntags:\n- temper\n- fine-tuned\n---\n\n# Fine-tuned model\n");
}

TEST(ModelCard, NamesCannotBreakOutOfTheirPlace) {
  Lineage hostile = lineage();
  hostile.title = "a\n---\n# b";
  hostile.base_model = "x\"\ninjected: true";
  hostile.labels = {"a|b\nc", "<script>"};
  hostile.configuration = "text = \"\"\"\n````\n\"\"\"\n";
  const std::string card = model_card(hostile);
  expect_part(card, "# a --- \\# b\n");
  expect_part(card, "base_model: \"x\\\"\\ninjected: true\"\n");
  expect_part(card, "| 0 | a\\|b c |");
  expect_part(card, "| 1 | \\<script\\> |");
  expect_part(card, "`````toml\ntext = \"\"\"\n````\n\"\"\"\n`````\n");
}

TEST(ModelCard, TheSameLineageGivesTheSameText) { EXPECT_EQ(model_card(lineage()), model_card(lineage())); }

}  // namespace
}  // namespace temper

// Answers against transformers' generate() on the fixture gpt2-causal (5.24, f32), and against themselves in other
// company.
#include "runtime/generation/generator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "model/weights.h"
#include "runtime/evaluation/fitted_model.h"
#include "runtime/generation/near_weights.h"
#include "runtime/steps/device_batch.h"
#include "tensor/host_copy.h"
#include "tests/data/temporary_folder.h"
#include "tests/model_fixture.h"
#include "tests/tiny_text_model.h"

namespace temper {
namespace {

using Ids = std::vector<std::int32_t>;

struct GeneratedReference {
  Ids prompt;
  double penalty;
  Ids answer;
};

const std::vector<GeneratedReference> kReferences{{{3, 7, 1}, 1.0, {24, 13, 18, 26, 13, 15, 15, 15, 15, 15, 15}},
                                                  {{3, 7, 1}, 1.3, {24, 13, 18, 26, 13, 15, 15, 15, 15, 5, 15}},
                                                  {{5}, 1.0, {24, 24, 24, 24, 24, 24, 6, 6, 27, 27, 15, 24, 24}},
                                                  {{5}, 1.3, {24, 24, 24, 6, 28, 26, 13, 24, 14, 15, 15, 18, 24}},
                                                  {{11, 2, 9, 4, 20}, 1.0, {28, 26, 13, 13, 13, 15, 15, 15, 15}},
                                                  {{11, 2, 9, 4, 20}, 1.3, {28, 26, 13, 15, 15, 15, 15, 24, 24}},
                                                  {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}, 1.0, {13}},
                                                  {{28, 0}, 1.0, {13, 13, 13, 18, 13, 13, 13, 13, 13, 13, 13, 13}},
                                                  {{28, 0}, 1.3, {13, 15, 15, 15, 15, 15, 7, 14, 3, 9, 18, 18}}};

class Generation : public testing::Test {
 protected:
  Generation() {
    testing_support::write_text_model(folder_.path());
    fitted_.emplace(folder_.path(), *device_);
    settings_.positions = fitted_->config().longest_sequence;
  }

  std::vector<Answer> answers(const std::vector<Ids>& prompts) {
    Generator generator(fitted_->model(), fitted_->tokenizer(), *device_, settings_);
    std::vector<Answer> found(prompts.size());
    streamed_.assign(prompts.size(), "");
    ends_.assign(prompts.size(), 0);
    generator.run(prompts, {[&](std::size_t number, std::string_view piece) { streamed_[number] += piece; },
                            [&](std::size_t number, Answer answer) {
                              found[number] = std::move(answer);
                              ++ends_[number];
                            }});
    return found;
  }

  static std::vector<Ids> prompts() {
    std::vector<Ids> all;
    for (const GeneratedReference& reference : kReferences)
      if (reference.penalty == 1.0) all.push_back(reference.prompt);
    return all;
  }

  testing_support::TemporaryFolder folder_;
  std::unique_ptr<Device> device_ = make_cpu_device();
  std::optional<FittedModel> fitted_;
  GenerationSettings settings_;
  std::vector<std::string> streamed_;
  std::vector<int> ends_;
};

TEST_F(Generation, GreedyAnswersAreThoseOfTransformers) {
  for (const GeneratedReference& reference : kReferences) {
    settings_.sampling.repetition_penalty = reference.penalty;
    const std::vector<Answer> found = answers({reference.prompt});
    EXPECT_EQ(found[0].tokens, reference.answer) << "penalty " << reference.penalty;
    EXPECT_EQ(found[0].finish, Finish::positions);
  }
}

TEST_F(Generation, MorePromptsThanSlotsAreAnsweredInAnyCompanyAlike) {
  std::vector<Ids> many;
  for (std::int32_t i = 0; i < 40; ++i) {
    Ids prompt{i % 30};
    for (std::int32_t j = 0; j < i % 12; ++j) prompt.push_back((i * 7 + j * 3) % 30);
    many.push_back(prompt);
  }
  for (const double temperature : {0.0, 1.0}) {
    settings_.sampling.temperature = temperature;
    settings_.slots = 1;
    const std::vector<Answer> alone = answers(many);
    for (const std::int64_t slots : {2, 3, 8, 64}) {
      settings_.slots = slots;
      const std::vector<Answer> together = answers(many);
      for (std::size_t i = 0; i < many.size(); ++i) {
        EXPECT_EQ(together[i].tokens, alone[i].tokens) << "prompt " << i << " in " << slots << " slots";
        EXPECT_EQ(together[i].text, alone[i].text);
        EXPECT_EQ(streamed_[i], alone[i].text);
        EXPECT_EQ(ends_[i], 1);
      }
    }
  }
}

TEST_F(Generation, WeightsThatAreBroughtNearGiveTheSameAnswers) {
  settings_.most_tokens = 40;
  const std::vector<Answer> before = answers(prompts());
  const auto mapped = [&] {
    const Model& model = fitted_->model();
    return std::count_if(model.parameters().all().begin(), model.parameters().all().end(),
                         [](const Parameter& held) { return !held.variable.value().owns_memory(); });
  };
  fitted_.emplace(folder_.path(), *device_);
  ASSERT_GT(mapped(), 0);
  EXPECT_FALSE(bring_weights_near(fitted_->model(), *device_, 1, 1000)) << "there is no memory for it";
  EXPECT_GT(mapped(), 0);
  EXPECT_TRUE(bring_weights_near(fitted_->model(), *device_, 2, std::int64_t{1} << 40));
  EXPECT_EQ(mapped(), 0);
  EXPECT_FALSE(bring_weights_near(fitted_->model(), *device_, 1, std::int64_t{1} << 40)) << "they are there";
  const std::vector<Answer> after = answers(prompts());
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_EQ(after[i].tokens, before[i].tokens);
}

TEST_F(Generation, AnotherSeedDrawsAnotherAnswerAndTheSameTheSame) {
  settings_.sampling.temperature = 1.0;
  const std::vector<Ids> prompt{{4, 1}};
  const Ids first = answers(prompt)[0].tokens;
  EXPECT_EQ(answers(prompt)[0].tokens, first);
  settings_.sampling.seed = 1;
  EXPECT_NE(answers(prompt)[0].tokens, first);
}

TEST_F(Generation, EndsAtAStopTokenWithoutItsText) {
  settings_.stop_tokens = {26, 99};
  const Answer answer = answers({{3, 7, 1}})[0];
  EXPECT_EQ(answer.tokens, (Ids{24, 13, 18, 26}));
  EXPECT_EQ(answer.text, "\uFFFDn ");
  EXPECT_EQ(answer.finish, Finish::stop_token);
}

TEST_F(Generation, EndsBeforeAStopText) {
  settings_.stop_texts = {"n 1"};
  const Answer answer = answers({{3, 7, 1}})[0];
  EXPECT_EQ(answer.tokens, (Ids{24, 13, 18, 26}));
  EXPECT_EQ(answer.text, "\uFFFD");
  EXPECT_EQ(streamed_[0], answer.text);
  EXPECT_EQ(answer.finish, Finish::stop_text);
}

TEST_F(Generation, EndsAfterSoManyTokens) {
  settings_.most_tokens = 3;
  const Answer answer = answers({{3, 7, 1}})[0];
  EXPECT_EQ(answer.tokens, (Ids{24, 13, 18}));
  EXPECT_EQ(answer.finish, Finish::length);
}

TEST_F(Generation, IsInterruptedWhereItIsAskedTo) {
  int looks = 0;
  settings_.stop_requested = [&] { return ++looks > 3; };
  settings_.slots = 2;
  const std::vector<Answer> found = answers(prompts());
  EXPECT_EQ(found[0].finish, Finish::interrupted);
  EXPECT_EQ(found[0].tokens, (Ids{24, 13, 18}));
  EXPECT_TRUE(found.back().tokens.empty());
}

/// In one pass over the whole text, as PyTorch computes it, and token by token over the cache.
TEST_F(Generation, LogitsWithTheCacheAreThoseWithout) {
  const testing_support::ModelFixture fixture("gpt2-causal");
  const std::vector<float> expected = fixture.packed_rows("logits");
  const Batch& batch = fixture.batch;
  const auto begin = batch.text().ids.begin();
  Generator generator(fitted_->model(), fitted_->tokenizer(), *device_, settings_);
  for (std::int64_t s = 0; s < batch.sequences(); ++s) {
    const std::int32_t first = batch.sequence_starts[static_cast<std::size_t>(s)];
    const std::int32_t end = batch.sequence_starts[static_cast<std::size_t>(s) + 1];
    for (std::int32_t length = 1; length <= end - first; ++length) {
      const Ids text(begin + first, begin + first + length);
      const std::vector<float> whole = generator.logits_of_whole(text);
      const std::span<const float> row =
          std::span(expected).subspan(static_cast<std::size_t>(first + length - 1) * whole.size(), whole.size());
      for (std::int32_t prompt = 1; prompt <= length; ++prompt) {
        const std::vector<float> by_token = generator.logits_by_token(text, prompt);
        for (std::size_t i = 0; i < row.size(); ++i) {
          ASSERT_NEAR(whole[i], row[i], 1e-5F) << length;
          ASSERT_NEAR(by_token[i], row[i], 1e-5F) << length << " from " << prompt;
        }
      }
    }
  }
}

/// A Llama of random weights whose contexts are stretched so.
std::unique_ptr<Model> stretched_llama(const std::string& rope, Device& device) {
  const std::string json = R"({"model_type": "llama", "vocab_size": 30, "hidden_size": 16, "num_hidden_layers": 2,
      "num_attention_heads": 2, "intermediate_size": 24, "initializer_range": 0.3, "max_position_embeddings": 40,
      "rope_parameters": )" +
                           rope + "}";
  const ModelConfig config = parse_model_config(json, "stretched");
  std::unique_ptr<Model> model = make_model(config, {HeadKind::causal_language_model, 30, {}});
  const WeightFiles none = WeightFiles::none("stretched");
  load_weights(*model, none, device, {.seed = 5, .initialize = true});
  return model;
}

double farthest(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, static_cast<double>(std::abs(a[i] - b[i])));
  return most;
}

/// Angles that depend on the length go by that of the prompt, in whatever pieces it goes through the model.
TEST_F(Generation, PiecesOfALongPromptAreTurnedAsTheWholeIs) {
  const auto model = stretched_llama(R"({"rope_type": "dynamic", "rope_theta": 100.0, "factor": 8.0})", *device_);
  settings_.positions = 320;
  Generator generator(*model, fitted_->tokenizer(), *device_, settings_);
  Ids text;
  for (std::int32_t i = 0; i < 300; ++i) text.push_back((i * 7 + i / 3) % 30);
  Tape tape(*device_, Tape::Mode::evaluation);
  Batch batch;
  batch.content = Tokens{text, Ids(text.size(), 0)};
  for (std::size_t i = 0; i < text.size(); ++i) batch.positions.push_back(static_cast<std::int32_t>(i));
  batch.examples = {0};
  batch.sequence_starts = {0, static_cast<std::int32_t>(text.size())};
  const DeviceBatch whole = to_device(batch, model->readout(), {.labelled = false}, *device_);
  const Variable all = model->forward(tape, whole.input, whole.selection);
  const HostCopy logits(*device_, all.value());
  const std::vector<float> last(logits.values().end() - 30, logits.values().end());
  EXPECT_LT(farthest(generator.logits_of_whole(text), last), 1e-4);
}

/// Phi-3 forgets what it knows of a text that grows beyond the length of its pre-training; other models with LongRoPE
/// keep the keys as they were turned (transformers, release 5.24).
TEST_F(Generation, ATextThatOutgrowsItsAnglesIsComputedAnewWhereTheModelSaysSo) {
  const auto model = stretched_llama(
      R"({"rope_type": "longrope", "rope_theta": 100.0, "original_max_position_embeddings": 8,
          "short_factor": [1, 1, 1, 1], "long_factor": [2, 3, 5, 7]})",
      *device_);
  settings_.positions = 40;
  const Ids text{3, 7, 1, 9, 4, 20, 11, 2, 28, 5, 17, 8};
  for (const std::int64_t beyond : {0, 8}) {
    settings_.renewed_beyond = beyond;
    Generator generator(*model, fitted_->tokenizer(), *device_, settings_);
    for (const std::int64_t prompt : {1, 7, 8, 9}) {
      const double apart = farthest(generator.logits_by_token(text, prompt), generator.logits_of_whole(text));
      if (beyond == 8 || prompt == 9) {
        EXPECT_LT(apart, 1e-4) << "prompt of " << prompt;
      } else {
        EXPECT_GT(apart, 1e-2) << "prompt of " << prompt;
      }
    }
  }
  EXPECT_EQ(read_model_config(testing_support::fixture_folder("phi3-causal")).renewed_beyond, 2);
  EXPECT_EQ(read_model_config(testing_support::fixture_folder("llama-causal")).renewed_beyond, 0);
}

TEST_F(Generation, InBFloat16IsTheSameInAnyCompany) {
  if (!device_->has_bf16()) GTEST_SKIP() << "skipped: this processor has no products of bf16";
  settings_.activations = DType::bf16;
  settings_.sampling.temperature = 1.0;
  settings_.slots = 1;
  const std::vector<Answer> alone = answers(prompts());
  settings_.slots = 4;
  const std::vector<Answer> together = answers(prompts());
  for (std::size_t i = 0; i < alone.size(); ++i) EXPECT_EQ(together[i].tokens, alone[i].tokens);
}

}  // namespace
}  // namespace temper

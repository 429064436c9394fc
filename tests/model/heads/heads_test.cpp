// Heads as the end of a pass: what they read, what they give, and their loss.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "model/heads/causal_lm_head.h"
#include "model/heads/pooling.h"
#include "model/heads/sequence_head.h"
#include "model/layers/text_embeddings.h"
#include "model/model.h"
#include "tests/model/packed_batch.h"

namespace temper {
namespace {

using testing_support::draw_all;
using testing_support::PackedBatch;
using Values = std::vector<float>;

constexpr std::int64_t kHeadWidth = 6;
constexpr std::int64_t kWords = 5;

class Heads : public testing::Test {
 protected:
  Values download(const Tensor& tensor) { return device_->download<float>(tensor); }

  /// Embeddings alone below a head.
  struct Stack {
    ModelParts parts;
    ParameterPlace place;
    explicit Stack(std::int64_t width = kHeadWidth)
        : parts{.width = width},
          place{parts.parameters, 0, ParameterRole::weight, Initialization::normal(0.5F), "net."} {
      parts.input = std::make_unique<TextEmbeddings>(place, TextEmbeddingNames{},
                                                     TextEmbeddingShape{kWords, 8, 0, 0, width, 1e-5F, 0.0});
    }
    [[nodiscard]] ParameterPlace head() { return {parts.parameters, 1, ParameterRole::head, place.weights}; }
  };
  std::unique_ptr<Model> model_of(Stack stack, HeadKind kind) {
    auto model = std::make_unique<Model>(std::move(stack.parts), HeadRequest{kind, 2}, "Net");
    draw_all(*model, *device_);
    for (const Parameter& parameter : model->parameters().all()) parameter.variable.set_requires_gradient(true);
    return model;
  }

  std::unique_ptr<Device> device_ = make_cpu_device();
  PackedBatch batch_{*device_, {3, 1, 4}};
};

TEST_F(Heads, TheMeanOfASequenceIsThatOfItsTokens) {
  for (const std::int64_t width : {kHeadWidth, std::int64_t{67}, std::int64_t{192}}) {
    Values values(static_cast<std::size_t>(8 * width));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i));
    const Variable hidden(device_->upload(std::span<const float>(values), {8, width}), true);
    Tape tape(*device_, Tape::Mode::training);
    const Variable mean = mean_of_sequences(tape, hidden, batch_.input, batch_.first_tokens);
    ASSERT_EQ(mean.shape(), (Shape{3, width}));
    const std::vector<std::int64_t> starts{0, 3, 4, 8};
    const Values found = download(mean.value());
    Values gradient(found.size());
    for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] = std::cos(static_cast<float>(i));
    Tape::set_gradient(mean, device_->upload(std::span<const float>(gradient), {3, width}));
    tape.backward();
    const Values back = download(hidden.gradient());
    for (std::size_t s = 0; s < 3; ++s)
      for (std::int64_t c = 0; c < width; ++c) {
        const auto length = static_cast<double>(starts[s + 1] - starts[s]);
        const std::size_t at = s * static_cast<std::size_t>(width) + static_cast<std::size_t>(c);
        double sum = 0.0;
        for (std::int64_t t = starts[s]; t < starts[s + 1]; ++t) {
          sum += values[static_cast<std::size_t>(t * width + c)];
          EXPECT_NEAR(back[static_cast<std::size_t>(t * width + c)], gradient[at] / length, 1e-6);
        }
        EXPECT_NEAR(found[at], sum / length, 1e-6) << width << ": " << s << ", " << c;
      }
  }
}

TEST_F(Heads, AMeanIsTakenOfTheWholeHiddenState) {
  Stack stack;
  const SequenceHeadNames names{.dense = "pooler", .classifier = "classifier"};
  stack.parts.head = std::make_unique<SequenceHead>(stack.head(), names, kHeadWidth, HeadRequest{HeadKind::sequence, 2},
                                                    0.0, Readout{ReadTokens::mean});
  const auto model = model_of(std::move(stack), HeadKind::sequence);
  Tape tape(*device_, Tape::Mode::evaluation);
  const Variable hidden = model->hidden_state(tape, batch_.input, batch_.first_tokens, 1);
  EXPECT_EQ(hidden.shape(), (Shape{8, kHeadWidth})) << "not of the first tokens alone";
  const Variable outputs = model->forward(tape, batch_.input, batch_.first_tokens);
  EXPECT_EQ(outputs.shape(), (Shape{3, 2}));
  EXPECT_EQ(download(model->forward(tape, batch_.input, batch_.first_tokens, {.stages = 1, .output = hidden}).value()),
            download(outputs.value()));
}

/// ln of the softmax's denominator, less the target's logit.
double loss_of(std::span<const float> logits, std::int32_t target) {
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
  return std::log(sum) - logits[static_cast<std::size_t>(target)];
}

TEST_F(Heads, ACausalHeadPredictsWordsByTheTableOrByAMatrixOfItsOwn) {
  for (const bool tied : {true, false}) {
    Stack stack;
    if (tied)
      stack.parts.head = std::make_unique<CausalLmHead>(stack.parts.input->token_table(), LossSettings{});
    else
      stack.parts.head = std::make_unique<CausalLmHead>(stack.head(), "lm_head", kWords, kHeadWidth, LossSettings{});
    const auto model = model_of(std::move(stack), HeadKind::causal_language_model);
    EXPECT_EQ(model->readout(), Readout{ReadTokens::labelled});
    EXPECT_EQ(model->parameters().find("lm_head.weight") == nullptr, tied);
    EXPECT_EQ(model->token_table().defined(), !tied) << "a tied table is read whole";

    const std::vector<std::int32_t> next{1, 2, -100, -100, 1, 2, 3, -100};  // of 0 1 2, 0, 0 1 2 3
    const Targets targets{device_->upload(std::span<const std::int32_t>(next), {8})};
    const Tensor sum = Tensor::empty(device_->memory(), {2}, DType::f64);
    device_->kernels().run(calls::Clear{.data = sum.bytes(), .bytes = sum.size_bytes()});
    Tape evaluation(*device_, Tape::Mode::evaluation);
    const Variable outputs = model->forward(evaluation, batch_.input, {});
    ASSERT_EQ(outputs.shape(), (Shape{8, kWords}));
    const Values logits = download(outputs.value());
    double expected = 0.0;
    for (std::size_t t = 0; t < next.size(); ++t)
      if (next[t] >= 0) expected += loss_of(std::span(logits).subspan(t * kWords, kWords), next[t]);

    Tape tape(*device_, Tape::Mode::training);
    model->loss(tape, batch_.input, {}, targets, sum);
    const std::vector<double> loss = device_->download<double>(sum);
    EXPECT_NEAR(loss[0], expected, 1e-5 * expected);
    EXPECT_EQ(loss[1], 5.0) << "predicted tokens";
    tape.backward();
    const std::string table = tied ? "net.word_embeddings.weight" : "lm_head.weight";
    EXPECT_TRUE(model->parameters().find(table)->variable.gradient_written());
    model->loss_of(evaluation, outputs, targets, sum);
    EXPECT_NEAR(device_->download<double>(sum)[0], 2 * expected, 2e-5 * expected);

    const RowLosses of_rows{Tensor::empty(device_->memory(), {8}, DType::f64),
                            Tensor::empty(device_->memory(), {8}, DType::i32)};
    model->row_losses(evaluation, batch_.input, {}, targets, sum, of_rows);
    EXPECT_NEAR(device_->download<double>(sum)[0], 3 * expected, 3e-5 * expected);
    const std::vector<double> losses = device_->download<double>(of_rows.losses);
    const std::vector<std::int32_t> predicted = device_->download<std::int32_t>(of_rows.predicted);
    for (std::size_t t = 0; t < next.size(); ++t) {
      const std::span<const float> row = std::span(logits).subspan(t * kWords, kWords);
      EXPECT_NEAR(losses[t], next[t] < 0 ? 0.0 : loss_of(row, next[t]), 1e-5) << t;
      EXPECT_EQ(predicted[t], std::max_element(row.begin(), row.end()) - row.begin()) << t;
    }
  }
}

TEST_F(Heads, SmoothALabelInTrainingAlone) {
  const Values logits{1.0F, 0.0F, -1.0F};
  const std::vector<std::int32_t> label{0};
  const Targets targets{device_->upload(std::span<const std::int32_t>(label), {1})};
  const auto loss = [&](Tape::Mode mode, float smoothing) {
    Tape tape(*device_, mode);
    const Tensor sum = Tensor::empty(device_->memory(), {2}, DType::f64);
    device_->kernels().run(calls::Clear{.data = sum.bytes(), .bytes = sum.size_bytes()});
    const Variable outputs(device_->upload(std::span<const float>(logits), {1, 3}));
    add_loss(tape, outputs, targets, {.label_smoothing = smoothing}, sum);
    return device_->download<double>(sum)[0];
  };
  EXPECT_GT(loss(Tape::Mode::training, 0.1F), loss(Tape::Mode::training, 0.0F));
  EXPECT_EQ(loss(Tape::Mode::evaluation, 0.1F), loss(Tape::Mode::evaluation, 0.0F));
}

}  // namespace
}  // namespace temper

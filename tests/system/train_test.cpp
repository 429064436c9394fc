// Whole fine-tunes of a tiny model.
#include <gtest/gtest.h>

#include <cstdlib>

#include <algorithm>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/system/tiny_run.h"
#include "tests/tiny_files.h"

namespace temper::system_tests {
namespace {

using Json = nlohmann::json;

class Train : public TinyRun {
 protected:
  Json report(const Outcome& outcome) {
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return Json::parse(outcome.last_line(), nullptr, /*allow_exceptions=*/false);
  }
};

TEST_F(Train, LearnsOnTwoRanksAndLeavesEverythingBehind) {
  const Json result = report(train("out", {"train.epochs=8"}, 2));
  EXPECT_GT(result["test"]["accuracy"], 0.9);
  for (const char* name :
       {"best", "last", "test", "examples_per_second", "tokens_per_second", "seconds", "seconds_to_first_step",
        "peak_memory_bytes", "peak_device_memory_bytes", "proportional_memory_bytes", "checkpoint", "model"})
    EXPECT_TRUE(result.contains(name)) << name;
  EXPECT_EQ(result["ranks"], 2);
  for (const char* name : {"config.json", "model.safetensors", "tokenizer.json", "README.md"})
    EXPECT_TRUE(std::filesystem::exists(path("out") / "model" / name)) << name;
  const Json config = Json::parse(read(path("out/model/config.json")));
  EXPECT_EQ(config["id2label"]["2"], "positive");
  EXPECT_EQ(config["architectures"][0], "BertForSequenceClassification");
  EXPECT_TRUE(std::filesystem::exists(result["checkpoint"].get<std::string>().insert(0, folder_.string() + "/")));
  EXPECT_FALSE(std::filesystem::is_empty(path("out/tensorboard")));
  std::istringstream log(read(path("out/metrics.jsonl")));
  int training = 0;
  int evaluations = 0;
  for (std::string line; std::getline(log, line);) {
    const Json event = Json::parse(line);
    training += event["kind"] == "train" ? 1 : 0;
    evaluations += event["kind"] == "evaluation" ? 1 : 0;
  }
  EXPECT_EQ(training, 8 * 7);
  EXPECT_EQ(evaluations, 8);

  // What was exported measures and predicts as the run said.
  Invocation eval;
  eval.arguments = {"eval", "out/model", "data/test.csv", "--json", "--max-length", "32"};
  eval.folder = folder_;
  const Json measured = report(run(eval));
  EXPECT_EQ(measured["accuracy"], result["test"]["accuracy"]);
  EXPECT_NEAR(measured["loss"].get<double>(), result["test"]["loss"].get<double>(), 1e-5);
  Invocation predict;
  predict.arguments = {"predict", "out/model", "-"};
  predict.folder = folder_;
  predict.input = "this is very good and nice\nthey hate the awful road\n";
  const Outcome lines = run(predict);
  EXPECT_EQ(lines.status, 0) << lines.err;
  std::istringstream predictions(lines.out);
  std::string line;
  std::getline(predictions, line);
  EXPECT_EQ(Json::parse(line)["label"], "positive");
  std::getline(predictions, line);
  EXPECT_EQ(Json::parse(line)["label"], "negative");
  // Two ranks predict what one does, in the same order.
  predict.arguments = {"predict", "out/model", "data/test.csv", "--max-length", "32"};
  predict.input.clear();
  const std::string alone = run(predict).out;
  predict.ranks = 2;
  EXPECT_EQ(run(predict).out, alone);
}

TEST_F(Train, ACheckpointCanBeInspectedAndExported) {
  report(train("out", {"train.epochs=1"}));
  Invocation command;
  command.folder = folder_;
  command.arguments = {"inspect", "out/checkpoints/checkpoint-00000007.h5", "--json"};
  const Json inspected = report(run(command));
  EXPECT_EQ(inspected["step"], 7);
  EXPECT_EQ(inspected["kind"], "checkpoint");
  command.arguments = {"export", "out/checkpoints/checkpoint-00000007.h5", "-o", "exported"};
  EXPECT_EQ(run(command).status, 0);
  EXPECT_EQ(read(path("exported/model.safetensors")), weights("out"));
  for (const char* what : {"model", "model/model.safetensors", "data/train.csv"}) {
    command.arguments = {"inspect", what, "--json"};
    EXPECT_TRUE(report(run(command)).contains("kind")) << what;
  }
}

/// A configuration, how far it must bring down the loss, and what its result must come to.
struct Variant {
  const char* name;
  std::vector<std::string> overrides;
  double loss_falls_to;  ///< mean loss of the last epoch's steps, as a share of that of the first epoch's
  const char* metric;
  double least;
  double most;
};

void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

class Variants : public Train, public testing::WithParamInterface<Variant> {
 protected:
  /// The loss of each step, in the mean over the steps of an epoch.
  std::vector<double> losses_by_epoch() const {
    constexpr int kSteps = (testing_support::kTrainRows + 31) / 32;
    std::vector<double> means;
    std::istringstream log(read(path("out/metrics.jsonl")));
    for (std::string line; std::getline(log, line);) {
      const Json event = Json::parse(line);
      if (event["kind"] != "train") continue;
      if ((event["step"].get<int>() - 1) % kSteps == 0) means.push_back(0.0);
      means.back() += event["loss"].get<double>() / kSteps;
    }
    return means;
  }
};

TEST_P(Variants, Learn) {
  std::vector<std::string> overrides = GetParam().overrides;
  overrides.emplace_back("output.tensorboard=false");
  const Json result = report(train("out", overrides, 2));
  ASSERT_TRUE(result["best"].is_object()) << result.dump();
  ASSERT_TRUE(result["best"].contains(GetParam().metric)) << result["best"].dump();
  EXPECT_GE(result["best"][GetParam().metric], GetParam().least);
  EXPECT_LE(result["best"][GetParam().metric], GetParam().most);
  EXPECT_TRUE(std::filesystem::exists(path("out/model/model.safetensors")));
  const std::vector<double> losses = losses_by_epoch();
  ASSERT_GE(losses.size(), 2U);
  EXPECT_LT(losses.back(), GetParam().loss_falls_to * losses.front());
}

INSTANTIATE_TEST_SUITE_P(
    Configurations, Variants,
    testing::Values(
        Variant{
            "regression", {"train.epochs=8", "model.task=regression", "data.label=score"}, 0.5, "pearson", 0.8, 1.0},
        Variant{"multi_label",
                {"train.epochs=10", "train.learning_rate=5e-3", "model.task=multi-label", "data.label=tags"},
                0.6,
                "micro_f1",
                0.7,
                1.0},
        Variant{"token_classification",
                {"train.epochs=6", "model.task=token-classification", "data.label=word_labels"},
                0.3,
                "macro_f1",
                0.9,
                1.0},
        // Of 82 words, those of the texts come from lists of five and of twelve.
        Variant{"masked_lm", {"train.epochs=8", "model.task=masked-lm"}, 0.9, "perplexity", 1.0, 45.0},
        Variant{"sgd_cosine",
                {"train.epochs=10", "train.optimizer=sgd", "train.learning_rate=0.1", "train.schedule=cosine"},
                0.85,
                "accuracy",
                0.7,
                1.0},
        Variant{
            "lion", {"train.epochs=10", "train.optimizer=lion", "train.learning_rate=2e-3"}, 0.7, "accuracy", 0.8, 1.0},
        Variant{"adafactor",
                {"train.epochs=10", "train.optimizer=adafactor", "train.learning_rate=2e-3"},
                0.7,
                "accuracy",
                0.8,
                1.0},
        Variant{
            "adafactor_scaled",
            {"train.epochs=10", "train.optimizer=adafactor", "train.scale_parameter=true", "train.learning_rate=2e-2"},
            0.7,
            "accuracy",
            0.8,
            1.0},
        Variant{"constant_smoothed_balanced",
                {"train.epochs=8", "train.schedule=constant", "train.label_smoothing=0.1",
                 "train.class_weights=balanced", "train.clip_norm=0"},
                0.6,
                "accuracy",
                0.8,
                1.0},
        Variant{"accumulated", {"train.epochs=8", "train.gradient_accumulation=3"}, 0.6, "accuracy", 0.8, 1.0},
        Variant{"phases",
                {"train.epochs=8", "train.learning_rate=5e-3",
                 "tuning.phases=[{ freeze = [\"*\"], epochs = 1 }, { freeze = [\"embeddings\"], "
                 "layer_decay = 0.8, epochs = 7 }]"},
                0.6,
                "accuracy",
                0.8,
                1.0},
        Variant{"rates",
                {"train.epochs=8", "tuning.layer_decay=0.9", "tuning.rates={ classifier = 5.0 }"},
                0.7,
                "accuracy",
                0.8,
                1.0}),
    [](const auto& variant) { return std::string(variant.param.name); });

TEST_F(Train, StopsEarlyWhereNothingIsGained) {
  const Json result = report(train("out", {"train.epochs=6", "train.early_stopping=1", "train.learning_rate=1e-7"}, 2));
  EXPECT_EQ(result["steps"], 14) << "the second evaluation is no better than the first";
}

TEST_F(Train, TheBestModelHoldsNothingOfALaterPhase) {
  const Json result =
      report(train("out", {"tuning.phases=[{freeze=[\"*\"], epochs=1}, {freeze=[], epochs=1, learning_rate=5.0}]",
                           "train.clip_norm=0", "train.metric=loss", "checkpoint.keep=1"}));
  ASSERT_EQ(result["best_step"], 7);
  Invocation command;
  command.folder = folder_;
  command.arguments = {"export", "out/checkpoints/checkpoint-00000007.h5", "-o", "exported", "--json"};
  report(run(command));
  EXPECT_EQ(read(path("exported/model.safetensors")), weights("out"));
}

TEST_F(Train, EarlyStoppingAtTheEndOfAPhaseEndsTheRun) {
  const Json result =
      report(train("out", {"tuning.phases=[{freeze=[\"*\"], epochs=2, learning_rate=1e-9}, {freeze=[], epochs=1}]",
                           "train.early_stopping=1"}));
  EXPECT_EQ(result["steps"], 14);
  EXPECT_FALSE(result["model"].get<std::string>().empty());
}

TEST_F(Train, BFloat16OnAProcessorWithoutItIsF32WithALineThatSaysSo) {
  // oneDNN, and with it the program, takes the processor for an older one.
  ::setenv("ONEDNN_MAX_CPU_ISA", "AVX2", 1);
  const std::vector<std::string> overrides{"train.epochs=1", "run.device=cpu", "output.tensorboard=false"};
  std::vector<std::string> in_bf16 = overrides;
  in_bf16.emplace_back("train.precision=bf16");
  for (const int ranks : {0, 2}) {
    const Outcome plain = train("plain", overrides, ranks);
    const Outcome asked = train("asked", in_bf16, ranks);
    report(plain);
    report(asked);
    EXPECT_TRUE(weights("asked") == weights("plain")) << ranks << " ranks";
    int lines = 0;
    std::istringstream said(asked.err);
    for (std::string line; std::getline(said, line);)
      lines += line.find("bf16") != std::string::npos && line.find("f32") != std::string::npos ? 1 : 0;
    EXPECT_EQ(lines, 1) << ranks << " ranks: " << asked.err;
    EXPECT_EQ(plain.err.find("bf16"), std::string::npos) << plain.err;
    std::filesystem::remove_all(path("plain"));
    std::filesystem::remove_all(path("asked"));
  }
  ::unsetenv("ONEDNN_MAX_CPU_ISA");
}

TEST_F(Train, AProfileChangesNothingButTheTime) {
  const std::vector<std::string> overrides{"train.epochs=1", "data.cache=false", "output.tensorboard=false"};
  const Outcome plain = train("plain", overrides, 2);
  report(plain);
  std::vector<std::string> profiled = overrides;
  profiled.emplace_back("output.dir=profiled");
  Invocation command;
  command.arguments = {"train", "run.toml", "--profile", "--json"};
  for (const std::string& text : profiled) command.arguments.insert(command.arguments.end(), {"--set", text});
  command.ranks = 2;
  command.folder = folder_;
  const Json result = report(run(command));
  EXPECT_TRUE(weights("profiled") == weights("plain"));
  EXPECT_FALSE(Json::parse(plain.last_line()).contains("profile"));

  std::map<std::string, std::int64_t> calls;
  double before = std::numeric_limits<double>::infinity();
  for (const Json& row : result["profile"]) {
    calls[row["kernel"]] = row["calls"];
    EXPECT_LE(row["seconds"], before) << row.dump();
    before = row["seconds"];
  }
  // Two layers, seven steps, the first of which is left out.
  EXPECT_EQ(calls["attention_backward"], 2 * 6);
  EXPECT_GT(calls["matmul"], calls["attention_backward"]);
  EXPECT_GT(calls["adamw_step"], 0);
  EXPECT_GT(result["outside_products_and_attention"], 0.0);
  EXPECT_LT(result["outside_products_and_attention"], 1.0);
}

TEST_F(Train, AProfileIsATableForPeople) {
  Invocation command;
  command.folder = folder_;
  command.arguments = {"train", "run.toml", "--profile", "--set", "train.epochs=1", "--set", "output.dir=out"};
  const Outcome outcome = run(command);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  std::istringstream lines(outcome.out);
  std::vector<std::string> kernels;
  bool in_table = false;
  for (std::string line; std::getline(lines, line);) {
    if (in_table) kernels.push_back(line.substr(0, line.find(' ')));
    in_table = in_table || line.starts_with("kernel ");
  }
  for (const char* kernel : {"matmul", "attention_forward", "layer_norm_backward", "cross_entropy", "adamw_step"})
    EXPECT_EQ(std::count(kernels.begin(), kernels.end(), kernel), 1) << kernel << '\n' << outcome.out;
  EXPECT_NE(outcome.last_line().find("outside matrix products and attention: "), std::string::npos) << outcome.out;
}

TEST_F(Train, HelpOfEveryCommandHasAnExample) {
  for (const char* command : {"train", "eval", "predict", "export", "inspect", "plan", "bench", "version"}) {
    Invocation help;
    help.arguments = {command, "--help"};
    const Outcome outcome = run(help);
    EXPECT_EQ(outcome.status, 0) << command;
    EXPECT_NE(outcome.out.find("Example:"), std::string::npos) << command;
  }
}

TEST_F(Train, WrongUseEndsWithStatusTwo) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{}, {"trian"}, {"train", "--frobnicate"}, {"eval"}, {"train"}}) {
    Invocation wrong;
    wrong.arguments = words;
    EXPECT_EQ(run(wrong).status, 2) << (words.empty() ? "nothing" : words.back());
  }
}

TEST_F(Train, IsMeasuredOnNamedSetsAsOftenAsEachSays) {
  ASSERT_EQ(train("plain", {"train.epochs=2"}, 2).status, 0);
  const std::string held_out = path("data/validation.csv").string();
  const std::string sets = "evaluate.sets=[{name=\"often\",data=\"" + held_out +
                           "\",every_steps=2},{name=\"with\",data=\"" + path("data/train.csv").string() + "\"}]";
  const Outcome measured = train("out", {"train.epochs=2", sets}, 2);
  ASSERT_EQ(measured.status, 0) << measured.err;
  EXPECT_NE(measured.err.find("evaluation of often"), std::string::npos) << measured.err;
  EXPECT_TRUE(weights("out") == weights("plain")) << "they decide nothing";

  std::map<std::string, std::map<std::int64_t, double>> losses;
  std::istringstream log(read(path("out/metrics.jsonl")));
  std::int64_t last = 0;
  for (std::string line; std::getline(log, line);) {
    const auto record = nlohmann::json::parse(line);
    const std::int64_t step = record.at("step");
    last = std::max(last, step);
    if (record.contains("loss")) losses[record.at("kind")][step] = record.at("loss");
  }
  for (std::int64_t step = 1; step <= last; ++step)
    EXPECT_EQ(losses["evaluation/often"].contains(step), step % 2 == 0 || step == last) << step;
  ASSERT_FALSE(losses["evaluation"].empty());
  for (const auto& [step, loss] : losses["evaluation"]) {
    EXPECT_TRUE(losses["evaluation/with"].contains(step)) << step;
    if (losses["evaluation/often"].contains(step)) {
      EXPECT_EQ(losses["evaluation/often"][step], loss) << "of the same rows";
    }
  }
  EXPECT_EQ(losses["evaluation/with"].size(), losses["evaluation"].size());
  const auto report = nlohmann::json::parse(measured.last_line());
  EXPECT_EQ(report.at("sets").at("often").at("loss"), losses["evaluation/often"][last]);
  EXPECT_EQ(report.at("sets").size(), 2U);

  const Outcome absent = train("none", {"evaluate.sets=[{name=\"a\",data=\"absent.csv\"}]"});
  EXPECT_EQ(absent.status, 1);
  EXPECT_NE(absent.err.find("absent.csv"), std::string::npos) << absent.err;
}

}  // namespace
}  // namespace temper::system_tests

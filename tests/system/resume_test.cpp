// A run that was killed or stopped goes on as if nothing had happened.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <sstream>

#include "tests/places.h"
#include "tests/system/tiny_run.h"

namespace temper::system_tests {
namespace {

class Resume : public TinyRun {
 protected:
  /// Sends `signal` once, as soon as the log of the run shows so many steps.
  Invocation signalled(const std::string& output, int signal, int after_steps) {
    Invocation invocation;
    invocation.meanwhile = [this, output, signal, after_steps, sent = false](pid_t process) mutable {
      if (sent) return;
      const std::string log = read(path(output) / "metrics.jsonl");
      if (std::count(log.begin(), log.end(), '\n') < after_steps) return;
      sent = true;
      kill(signal == SIGKILL ? -process : process, signal);
    };
    return invocation;
  }
  std::vector<std::string> overrides(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all{"train.grains=4", "train.epochs=12", "checkpoint.every_steps=3",
                                 "output.tensorboard=false"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  std::string expected(const std::vector<std::string>& more = {}) {
    const Outcome outcome = train("whole", overrides(more));
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return weights("whole");
  }
};

TEST_F(Resume, AfterBeingKilledOnAnotherNumberOfRanks) {
  const std::string whole = expected();
  const Outcome killed = train("out", overrides(), 2, signalled("out", SIGKILL, 12));
  ASSERT_NE(killed.status, 0);
  ASSERT_FALSE(std::filesystem::exists(path("out/model")));
  const Outcome resumed = train("out", overrides(), 3);
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_NE(resumed.err.find("resuming from step"), std::string::npos) << resumed.err;
  EXPECT_TRUE(weights("out") == whole);
}

TEST_F(Resume, InEveryModeThatChangesHowAStepIsComputed) {
  // What a run goes on in may also be another way to keep activations.
  const std::vector<std::pair<std::vector<std::string>, std::string>> modes{
      {{"train.precision=bf16"}, "train.precision=bf16"},
      {{"train.precision=bf16", "tuning.freeze=[\"embeddings\", \"encoder.layer.0\"]"}, "train.precision=bf16"},
      {{}, "train.checkpoint_activations=blocks"}};
  for (std::size_t i = 0; i < modes.size(); ++i) {
    const auto& [mode, later] = modes[i];
    std::filesystem::remove_all(path("whole"));
    const std::string whole = expected(mode);
    const std::string output = "out-" + std::to_string(i);
    ASSERT_NE(train(output, overrides(mode), 2, signalled(output, SIGKILL, 12)).status, 0);
    std::vector<std::string> again = overrides(mode);
    again.push_back(later);
    const Outcome resumed = train(output, again, 3);
    ASSERT_EQ(resumed.status, 0) << resumed.err;
    EXPECT_NE(resumed.err.find("resuming from step"), std::string::npos) << resumed.err;
    EXPECT_TRUE(weights(output) == whole) << later;
  }
}

TEST_F(Resume, OfMaskedRowsWhereTheHeadHasAMatrixOfItsOwn) {
  // Of the embedding table a batch then reads rows that no text has: what masking has drawn.
  std::string config = read(path("model/config.json"));
  config.insert(config.find('{') + 1, "\"tie_word_embeddings\": false,");
  write("model/config.json", config);
  const std::vector<std::string> mode{"model.task=masked-lm"};
  const std::string whole = expected(mode);
  ASSERT_NE(train("out", overrides(mode), 2, signalled("out", SIGKILL, 12)).status, 0);
  const Outcome resumed = train("out", overrides(mode), 3);
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_NE(resumed.err.find("resuming from step"), std::string::npos) << resumed.err;
  EXPECT_TRUE(weights("out") == whole);
}

TEST_F(Resume, WithEveryUpdateRule) {
  for (const std::string rule : {"sgd", "adafactor", "lion"}) {
    const std::vector<std::string> mode{"train.optimizer=" + rule, "train.precision=bf16"};
    std::filesystem::remove_all(path("whole"));
    const std::string whole = expected(mode);
    ASSERT_NE(train(rule, overrides(mode), 2, signalled(rule, SIGKILL, 12)).status, 0);
    const Outcome resumed = train(rule, overrides(mode), 3);
    ASSERT_EQ(resumed.status, 0) << resumed.err;
    EXPECT_NE(resumed.err.find("resuming from step"), std::string::npos) << resumed.err;
    EXPECT_TRUE(weights(rule) == whole) << rule;
  }
}

TEST_F(Resume, FromACheckpointOfTheFormatBefore) {
  // Written behind the third of six steps, when the arrays of update rules had no names yet.
  const std::filesystem::path fixtures = testing_support::source_directory() / "tests/fixtures";
  for (const std::string rule : {"adamw", "sgd"}) {
    std::filesystem::remove_all(path("model"));
    std::filesystem::create_directories(path("model"));
    for (const char* file : {"config.json", "model.safetensors"})
      std::filesystem::copy(fixtures / "bert-classification" / file, path("model") / file);
    for (const char* file : {"vocab.txt", "tokenizer_config.json"})
      std::filesystem::copy(fixtures / "checkpoint-format-1" / file, path("model") / file);
    write("train.csv", read(fixtures / "checkpoint-format-1/train.csv"));
    write("run.toml", "[model]\npath = \"model\"\n[data]\ntrain = \"train.csv\"\nmax_length = 14\n");
    const std::vector<std::string> settings{"train.optimizer=" + rule,  "train.max_steps=6", "train.batch_size=8",
                                            "train.learning_rate=1e-3", "train.grains=2",    "run.threads=1"};
    ASSERT_EQ(train("whole-" + rule, settings).status, 0);
    const std::string place = "out-" + rule + "/checkpoints/checkpoint-00000003.h5";
    write(place, read(fixtures / "checkpoint-format-1" / (rule + ".h5")));
    const Outcome resumed = train("out-" + rule, settings, 2);
    ASSERT_EQ(resumed.status, 0) << resumed.err;
    EXPECT_NE(resumed.err.find("resuming from step 3"), std::string::npos) << resumed.err;
    // The first three steps were taken on another machine, perhaps.
    const std::string found = weights("out-" + rule);
    const std::string whole = weights("whole-" + rule);
    ASSERT_EQ(found.size(), whole.size());
    std::uint64_t header = 0;
    std::memcpy(&header, found.data(), sizeof(header));
    int elements = 0;
    int near = 0;
    for (std::size_t i = 8 + header; i < found.size(); i += sizeof(float), ++elements) {
      float a = 0.0F;
      float b = 0.0F;
      std::memcpy(&a, found.data() + i, sizeof(a));
      std::memcpy(&b, whole.data() + i, sizeof(b));
      near += std::abs(a - b) < 2e-5F ? 1 : 0;
    }
    // All but the keys' biases, whose gradients are what rounding leaves of zero. Without its moments AdamW would move
    // most elements by some 1e-4 more or less.
    EXPECT_GE(near, 0.98 * elements) << rule;
  }
}

TEST_F(Resume, AfterASignalThatAsksToStop) {
  const std::string whole = expected();
  for (const int signal : {SIGTERM, SIGUSR1}) {
    const std::string output = "out-" + std::to_string(signal);
    const Outcome stopped = train(output, overrides(), 0, signalled(output, signal, 5));
    ASSERT_EQ(stopped.status, 75) << stopped.err;
    ASSERT_FALSE(std::filesystem::exists(path(output) / "model"));
    const Outcome resumed = train(output, overrides(), 2);
    ASSERT_EQ(resumed.status, 0) << resumed.err;
    EXPECT_TRUE(weights(output) == whole) << signal;
  }
}

TEST_F(Resume, AfterASignalThatMpirunForwards) {
  const std::string whole = expected();
  const Outcome stopped = train("out", overrides(), 2, signalled("out", SIGUSR1, 5));
  ASSERT_EQ(stopped.status, 75) << stopped.err;
  ASSERT_EQ(train("out", overrides(), 2).status, 0);
  EXPECT_TRUE(weights("out") == whole);
}

TEST_F(Resume, InsidePhases) {
  const std::vector<std::string> phases{
      "tuning.phases=[{ freeze = [\"*\"], epochs = 2 }, { freeze = [\"embeddings\"], epochs = 3, plateau_patience = 1 "
      "}, "
      "{ layer_decay = 0.9, learning_rate = 1e-3 }]"};
  const std::string whole = expected(phases);
  for (const int steps : {4, 17, 30, 50}) {
    const std::string output = "out-" + std::to_string(steps);
    const Outcome stopped = train(output, overrides(phases), 0, signalled(output, SIGTERM, steps));
    ASSERT_TRUE(stopped.status == 75 || stopped.status == 0) << stopped.err;
    const Outcome resumed = train(output, overrides(phases), 2);
    ASSERT_EQ(resumed.status, 0) << resumed.err;
    EXPECT_TRUE(weights(output) == whole) << "stopped after " << steps << " lines of the log";
  }
}

TEST_F(Resume, OfAFinishedRunWithoutItsModelDeliversIt) {
  const std::string whole = expected();
  std::filesystem::remove_all(path("whole/model"));
  const Outcome again = train("whole", overrides(), 2);
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_NE(again.out.find("\"already_finished\":true"), std::string::npos) << again.out;
  EXPECT_TRUE(weights("whole") == whole);
}

TEST_F(Resume, NeverGoesBackToARunBeforeAFreshStart) {
  ASSERT_EQ(train("out", overrides({"train.epochs=2", "train.seed=5"})).status, 0);
  std::filesystem::remove(path("out/metrics.jsonl"));
  const std::vector<std::string> fresh = overrides({"checkpoint.resume=false"});
  ASSERT_NE(train("out", fresh, 0, signalled("out", SIGKILL, 2)).status, 0);
  EXPECT_TRUE(std::filesystem::exists(path("out/checkpoints.old-1/checkpoint-00000014.h5")));
  const Outcome resumed = train("out", overrides());
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_TRUE(weights("out") == expected());
}

TEST_F(Resume, AfterASignalInTheLastEvaluation) {
  std::string rows = read(path("data/validation.csv"));
  const std::string once = rows.substr(rows.find('\n') + 1);
  for (int i = 0; i < 300; ++i) rows += once;
  write("data/validation.csv", rows);
  const std::vector<std::string> one_step{"train.max_steps=1", "train.grains=1", "evaluate.batch_size=4"};
  ASSERT_EQ(train("whole", one_step).status, 0);
  const Outcome stopped = train("out", one_step, 0, signalled("out", SIGTERM, 1));
  ASSERT_EQ(stopped.status, 75) << stopped.err;
  ASSERT_FALSE(std::filesystem::exists(path("out/model")));
  const Outcome resumed = train("out", one_step);
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_TRUE(weights("out") == weights("whole"));
}

TEST_F(Resume, OfAFinishedRunSaysSo) {
  ASSERT_EQ(train("out", {"train.epochs=1"}).status, 0);
  const std::string before = weights("out");
  const Outcome again = train("out", {"train.epochs=1"});
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_TRUE(weights("out") == before);
  // Nor does it need what it was trained from.
  std::filesystem::rename(path("model"), path("moved"));
  const Outcome moved = train("out", {"train.epochs=1"});
  EXPECT_EQ(moved.status, 0) << moved.err;
  EXPECT_NE(moved.out.find("\"already_finished\":true"), std::string::npos) << moved.out;
  EXPECT_EQ(train("out", {"train.epochs=1", "train.seed=9"}).status, 2);
  EXPECT_EQ(train("other", {"train.epochs=1"}).status, 1);
  std::filesystem::rename(path("moved"), path("model"));
}

TEST_F(Resume, IsRefusedWithAnotherConfigurationModelOrData) {
  ASSERT_EQ(train("out", {"train.epochs=1"}).status, 0);
  const Outcome configured = train("out", {"train.epochs=1", "train.weight_decay=0.5"});
  EXPECT_EQ(configured.status, 2);
  EXPECT_NE(configured.err.find("train.weight_decay"), std::string::npos) << configured.err;
  const Outcome another_rule = train("out", {"train.epochs=1", "train.optimizer=lion"});
  EXPECT_EQ(another_rule.status, 2);
  EXPECT_NE(another_rule.err.find("train.optimizer"), std::string::npos) << another_rule.err;

  const std::string model = read(path("model/model.safetensors"));
  std::string other = model;
  other[other.size() - 3] = static_cast<char>(other[other.size() - 3] ^ 1);
  write("model/model.safetensors", other);
  const Outcome another_model = train("out", {"train.epochs=1"});
  EXPECT_EQ(another_model.status, 1);
  EXPECT_NE(another_model.err.find("base model"), std::string::npos) << another_model.err;
  write("model/model.safetensors", model);

  std::ofstream(path("data/train.csv"), std::ios::app) << "\"a nice road\",positive,1.0,good,O T T\n";
  const Outcome another_file = train("out", {"train.epochs=1"});
  EXPECT_EQ(another_file.status, 1);
  EXPECT_NE(another_file.err.find("train.csv"), std::string::npos) << another_file.err;
}

TEST_F(Resume, GoesOnWhereFilesWereMovedAndNotWhereTheyChanged) {
  const std::string whole = expected();
  ASSERT_EQ(train("out", overrides(), 0, signalled("out", SIGTERM, 5)).status, 75);
  std::filesystem::create_directories(path("elsewhere"));
  std::filesystem::rename(path("data/validation.csv"), path("elsewhere/held-out.csv"));
  std::filesystem::rename(path("data/test.csv"), path("elsewhere/test.csv"));
  const std::vector<std::string> moved =
      overrides({"data.validation=elsewhere/held-out.csv", "data.test=elsewhere/test.csv"});
  const std::string rows = read(path("elsewhere/held-out.csv"));
  write("elsewhere/held-out.csv", rows + "\"a nice road\",positive,1.0,good,O T T\n");
  const Outcome changed = train("out", moved);
  EXPECT_EQ(changed.status, 2) << changed.err;
  EXPECT_NE(changed.err.find("data.validation names held-out.csv"), std::string::npos) << changed.err;
  write("elsewhere/held-out.csv", rows);
  const Outcome resumed = train("out", moved, 2);
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_NE(resumed.err.find("data.validation is elsewhere/held-out.csv now and was data/validation.csv when the run "
                             "began; the content is the same"),
            std::string::npos)
      << resumed.err;
  EXPECT_NE(resumed.err.find("data.test is elsewhere/test.csv now"), std::string::npos) << resumed.err;
  EXPECT_TRUE(weights("out") == whole);
}

TEST_F(Resume, OfAFinishedRunMakesItLongerWhereNoRateDependsOnTheLength) {
  const auto settings = [](const std::string& length) {
    return std::vector<std::string>{"train.schedule=constant", "train.warmup_steps=5", length};
  };
  ASSERT_EQ(train("whole", settings("train.epochs=5")).status, 0);
  ASSERT_EQ(train("out", settings("train.epochs=2")).status, 0);
  const Outcome longer = train("out", settings("train.epochs=5"), 2);
  ASSERT_EQ(longer.status, 0) << longer.err;
  EXPECT_NE(longer.err.find("resuming from step 14"), std::string::npos) << longer.err;
  EXPECT_TRUE(weights("out") == weights("whole"));
  EXPECT_TRUE(std::filesystem::exists(path("out/model.old-1"))) << "the model of the shorter run is kept";
  // Also by steps, and in a run that was stopped on the way.
  const std::string log = read(path("out/metrics.jsonl"));
  const auto lines = static_cast<int>(std::count(log.begin(), log.end(), '\n'));
  const Outcome stopped = train("out", settings("train.max_steps=400"), 0, signalled("out", SIGTERM, lines + 12));
  ASSERT_EQ(stopped.status, 75) << stopped.err;
  EXPECT_EQ(train("out", settings("train.max_steps=401")).status, 0);
  const Outcome shorter = train("out", settings("train.epochs=2"));
  EXPECT_EQ(shorter.status, 2) << shorter.err;
  EXPECT_NE(shorter.err.find("401 steps behind it"), std::string::npos) << shorter.err;
}

TEST_F(Resume, OfALongerRunKeepsItsWarmUp) {
  // A tenth of the run: of the longer one it would begin anew.
  ASSERT_EQ(train("out", {"train.schedule=constant", "train.epochs=1"}).status, 0);
  const Outcome longer = train("out", {"train.schedule=constant", "train.epochs=12"});
  ASSERT_EQ(longer.status, 0) << longer.err;
  std::istringstream log(read(path("out/metrics.jsonl")));
  int steps = 0;
  for (std::string line; std::getline(log, line);) {
    if (line.find("\"train\"") == std::string::npos) continue;
    const std::size_t rate = line.find("\"learning_rate\":") + 16;
    EXPECT_EQ(line.substr(rate, line.find(',', rate) - rate), "0.002") << line;
    ++steps;
  }
  EXPECT_EQ(steps, 84);
}

TEST_F(Resume, OfARunWhoseRatesDependOnItsLengthNamesTheWayThatWorks) {
  ASSERT_EQ(train("out", {"train.epochs=1"}).status, 0);
  const Outcome longer = train("out", {"train.epochs=2"});
  EXPECT_EQ(longer.status, 2) << longer.err;
  for (const char* part :
       {"train.epochs", "train.schedule = linear", "model.path = \"out/model\"", "another output.dir"})
    EXPECT_NE(longer.err.find(part), std::string::npos) << longer.err;
  EXPECT_EQ(train("next", {"train.epochs=1", "model.path=out/model"}).status, 0);
}

TEST_F(Resume, CanBeTurnedOff) {
  ASSERT_EQ(train("out", {"train.epochs=1"}).status, 0);
  const Outcome fresh = train("out", {"train.epochs=1", "train.seed=5", "checkpoint.resume=false"});
  EXPECT_EQ(fresh.status, 0) << fresh.err;
  EXPECT_EQ(fresh.err.find("going on"), std::string::npos);
}

TEST_F(Resume, GoesBackToTheCheckpointBeforeADamagedOne) {
  const std::string whole = expected();
  const Outcome killed = train("out", overrides(), 0, signalled("out", SIGKILL, 14));
  ASSERT_NE(killed.status, 0);
  std::vector<std::filesystem::path> checkpoints;
  for (const auto& entry : std::filesystem::directory_iterator(path("out/checkpoints")))
    if (entry.path().extension() == ".h5") checkpoints.push_back(entry.path());
  std::sort(checkpoints.begin(), checkpoints.end());
  ASSERT_GE(checkpoints.size(), 2U);
  std::string bytes = read(checkpoints.back());
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
  std::ofstream(checkpoints.back(), std::ios::binary) << bytes;
  const Outcome resumed = train("out", overrides(), 2);
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_NE(resumed.err.find(checkpoints.back().filename().string()), std::string::npos) << resumed.err;
  EXPECT_TRUE(weights("out") == whole);
}

}  // namespace
}  // namespace temper::system_tests

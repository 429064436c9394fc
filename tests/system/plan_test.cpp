// temper bench machine, temper plan, and the trace of a profiled run, as a user starts them.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/system/tiny_run.h"

namespace temper::system_tests {
namespace {

using Json = nlohmann::json;

class Plan : public TinyRun {
 protected:
  Outcome start(std::vector<std::string> arguments, int ranks = 0) const {
    Invocation command;
    command.arguments = std::move(arguments);
    command.ranks = ranks;
    command.folder = folder_;
    return run(command);
  }
  /// The plan for these ranks by the machine's profile in `machine`; without one where that is empty.
  Json plan(const std::string& machine, int ranks, const std::vector<std::string>& overrides = {}) const {
    std::vector<std::string> words{"plan", "run.toml", "--json", "--ranks", std::to_string(ranks)};
    if (!machine.empty()) words.insert(words.end(), {"--machine", machine});
    for (const std::string& text : overrides) words.insert(words.end(), {"--set", text});
    const Outcome outcome = start(words);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.status == 0 ? Json::parse(outcome.last_line()) : Json();
  }
};

TEST_F(Plan, EstimatesARunOnAMeasuredMachine) {
  const Outcome bench = start({"bench", "machine", "--quick", "--output", "kept/machine.json"}, 2);
  ASSERT_EQ(bench.status, 0) << bench.err;
  EXPECT_NE(bench.out.find("kept/machine.json"), std::string::npos) << bench.out;
  const Json two = plan("kept/machine.json", 2);
  EXPECT_EQ(two["total_steps"], 3 * 7);
  EXPECT_EQ(two["train_rows"], kTrainRows);
  EXPECT_GT(two["seconds"], 0.0);
  const Json& phase = two["phases"][0];
  EXPECT_GT(phase["step_seconds"]["exchange"], 0.0);
  EXPECT_GT(phase["communication_bytes"], 0);
  const Json& memory = phase["memory_bytes"];
  std::int64_t sum = 0;
  for (const char* part : {"process", "parameters", "gradients", "moments", "activations"}) {
    EXPECT_GT(memory[part], 0) << part;
    sum += memory[part].get<std::int64_t>();
  }
  EXPECT_EQ(memory["total"], sum);
  // One rank has nobody to talk to.
  const Json one = plan("kept/machine.json", 1);
  EXPECT_EQ(one["phases"][0]["step_seconds"]["exchange"], 0.0);
  EXPECT_EQ(one["phases"][0]["communication_bytes"], 0);
  // For people.
  const Outcome text = start({"plan", "run.toml", "--machine", "kept/machine.json"});
  ASSERT_EQ(text.status, 0) << text.err;
  for (const char* part : {"memory per rank", "per step", "time per step", "in all"})
    EXPECT_NE(text.out.find(part), std::string::npos) << text.out;
}

TEST_F(Plan, PlansEachPhaseAndLeavesNothingBehind) {
  const Json json = plan("", 1,
                         {"tuning.phases=[{ freeze = [\"*\"], steps = 5 }, { freeze = [] }]",
                          "train.checkpoint_activations=2", "output.dir=untouched"});
  ASSERT_EQ(json["phases"].size(), 2U);
  EXPECT_EQ(json["phases"][0]["last_step"], 5);
  EXPECT_LT(json["phases"][0]["trainable"], json["phases"][1]["trainable"]);
  EXPECT_LT(json["phases"][0]["backward_operations"], json["phases"][1]["backward_operations"]);
  EXPECT_FALSE(std::filesystem::exists(path("untouched")));
}

TEST_F(Plan, CountsWhatIsFrozenOnceWhereARunKeepsIt) {
  const Outcome bench = start({"bench", "machine", "--quick", "--output", "machine.json"}, 1);
  ASSERT_EQ(bench.status, 0) << bench.err;
  const std::string freeze = "tuning.freeze=[\"embeddings\", \"encoder.layer.0\"]";
  const auto phase_of = [](Json all) {
    Json phase = all["phases"][0];
    phase["tokens_a_row"] = all["tokens_a_row"];
    return phase;
  };
  const Json kept = phase_of(plan("machine.json", 1, {freeze}));
  const Json again = phase_of(plan("machine.json", 1, {freeze, "tuning.frozen_cache=false"}));
  EXPECT_TRUE(again["frozen"].is_null());
  // Validation rows are evaluated after each of three epochs.
  EXPECT_EQ(kept["frozen"]["rows"], kTrainRows + kHeldOutRows);
  constexpr double kRowBytes = 32 * sizeof(float);
  EXPECT_NEAR(kept["frozen"]["bytes"], kept["tokens_a_row"].get<double>() * (kTrainRows + kHeldOutRows) * kRowBytes,
              kRowBytes);
  EXPECT_EQ(kept["frozen"]["in_memory"], true);
  EXPECT_GT(kept["frozen"]["seconds"], 0.0);
  EXPECT_EQ(kept["memory_bytes"]["frozen"], kept["frozen"]["bytes"]);
  EXPECT_LT(kept["forward_operations"], again["forward_operations"]);
  EXPECT_EQ(kept["backward_operations"], again["backward_operations"]);
  const Json in_a_file = phase_of(plan("", 1, {freeze, "run.cache_memory_mib=0"}));
  EXPECT_EQ(in_a_file["frozen"]["in_memory"], false);
  EXPECT_EQ(in_a_file["memory_bytes"]["frozen"], 0);
  // In less than an epoch a row is read once, but validation rows more often.
  const std::vector<std::string> short_run{freeze, "train.max_steps=5", "evaluate.every_steps=1"};
  const Json few = phase_of(plan("machine.json", 1, short_run));
  EXPECT_EQ(few["frozen"]["rows"], kHeldOutRows);
  EXPECT_EQ(few["forward_operations"], again["forward_operations"]);
  EXPECT_TRUE(phase_of(plan("", 1, {freeze, "train.epochs=1", "train.max_steps=5"}))["frozen"].is_null());
}

TEST_F(Plan, CountsTheOperationsThatARunReallyHas) {
  // All rows in one batch, so that every step has the same; the first step is not in a profile, the second is.
  for (const std::string layers : {"\"none\"", "1"})
    for (const std::string freeze : {"[]", "[\"embeddings\", \"encoder.layer.0\"]"}) {
      const std::vector<std::string> overrides{"train.batch_size=203",    "train.max_steps=2",
                                               "data.validation=\"\"",    "data.test=\"\"",
                                               "checkpoint.resume=false", "tuning.frozen_cache=false",
                                               "output.dir=out",          "train.checkpoint_activations=" + layers,
                                               "tuning.freeze=" + freeze};
      Invocation command;
      command.arguments = {"train", "run.toml", "--profile", "--json"};
      for (const std::string& text : overrides) command.arguments.insert(command.arguments.end(), {"--set", text});
      command.folder = folder_;
      const Outcome outcome = run(command);
      ASSERT_EQ(outcome.status, 0) << outcome.err;
      double operations = 0.0;
      const Json result = Json::parse(outcome.last_line());
      for (const Json& row : result["profile"])
        if (row["kernel"] != "adamw_step" && row["kernel"] != "chunk_square_sums" && row["kernel"] != "add_tree")
          operations += row["operations"].get<double>();
      const Json phase = plan("", 1, overrides)["phases"][0];
      EXPECT_EQ(phase["forward_operations"].get<double>() + phase["backward_operations"].get<double>(), operations)
          << layers << ' ' << freeze;
    }
}

TEST_F(Plan, RefusesAMachineThatItCannotRead) {
  const Outcome missing = start({"plan", "run.toml", "--machine", "nothing.json"});
  EXPECT_EQ(missing.status, 1);
  EXPECT_NE(missing.err.find("nothing.json: there is no machine profile"), std::string::npos) << missing.err;
  write("half.json", "{\"version\": 1, \"ranks\":");
  const Outcome half = start({"plan", "run.toml", "--machine", "half.json"});
  EXPECT_EQ(half.status, 1);
  EXPECT_NE(half.err.find("half.json: is no whole machine profile"), std::string::npos) << half.err;
  EXPECT_EQ(start({"plan", "run.toml", "--ranks", "2", "--nodes", "3"}).status, 2);
  EXPECT_EQ(start({"bench"}).status, 2);
}

TEST_F(Plan, AProfiledRunWritesATraceOfAllRanks) {
  Invocation command;
  command.arguments = {"train", "run.toml",       "--json", "--profile=trace.json", "--profile-steps", "3",
                       "--set", "output.dir=out", "--set",  "train.epochs=1"};
  command.ranks = 2;
  command.folder = folder_;
  const Outcome outcome = run(command);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const Json result = Json::parse(outcome.last_line());
  EXPECT_EQ(result["trace"], "trace.json");
  EXPECT_EQ(result["traced_steps"], (std::vector<int>{2, 4}));
  for (const Json& row : result["profile"])
    if (row["kernel"] == "matmul") {
      EXPECT_GT(row["operations"], 0.0);
      EXPECT_GT(row["bytes"], 0.0);
    }
  const Json trace = Json::parse(read(path("trace.json")));
  for (const int rank : {0, 1}) {
    std::set<std::string> names;
    for (const Json& event : trace["traceEvents"])
      if (event["pid"] == rank) names.insert(event["name"]);
    for (const char* name : {"step 2", "step 4", "data wait", "forward", "backward", "optimizer", "matmul",
                             "publish and reduce 0", "gradients of the others", "agreement"})
      EXPECT_TRUE(names.contains(name)) << name << " of rank " << rank;
    EXPECT_TRUE(std::ranges::any_of(names, [](const std::string& name) { return name.starts_with("pack "); }))
        << "the loader of rank " << rank;
    EXPECT_FALSE(names.contains("step 1"));
    EXPECT_FALSE(names.contains("step 5"));
  }
}

TEST_F(Plan, AProfileGoesIntoTheOutputFolderByItself) {
  Invocation command;
  command.arguments = {"train", "--profile", "run.toml", "--set", "output.dir=out", "--set", "train.epochs=1"};
  command.folder = folder_;
  const Outcome outcome = run(command);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_TRUE(std::filesystem::exists(path("out") / "profile.json"));
  EXPECT_NE(outcome.out.find("steps 2 to 7 of all ranks"), std::string::npos) << outcome.out;
}

TEST_F(Plan, PrintsTheScriptOfAJob) {
  const std::vector<std::string> words{"plan",
                                       "run.toml",
                                       "--ranks",
                                       "6",
                                       "--nodes",
                                       "2",
                                       "--sbatch",
                                       "--set",
                                       "run.threads=3",
                                       "--set",
                                       "data.labels=[\"positive\", \"negative\", \"neutral\"]"};
  const Outcome outcome = start(words);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_TRUE(outcome.out.starts_with("#!/bin/bash\n#SBATCH ")) << outcome.out;
  for (const std::string& part :
       {std::string("--nodes=2 --ntasks-per-node=3 --cpus-per-task=3 --time=04:00:00\n"),
        "#SBATCH --chdir=" + std::filesystem::canonical(folder_).string() + "\n", std::string("#SBATCH --mem="),
        std::string("--requeue"), std::string("the machine was not measured"),
        std::string("srun --mpi=pmix --kill-on-bad-exit=1 --cpus-per-task=3 temper train run.toml --set run.threads=3 "
                    "--set 'data.labels=[\"positive\", \"negative\", \"neutral\"]'\nstatus=$?\n")})
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part << "\n" << outcome.out;
  const Outcome bounded = start({"plan", "run.toml", "--sbatch", "--set", "run.max_minutes=90"});
  EXPECT_NE(bounded.out.find(" --time=01:35:00\n"), std::string::npos) << bounded.out << bounded.err;
  EXPECT_EQ(start({"plan", "run.toml", "--sbatch", "--json"}).status, 2);
}

}  // namespace
}  // namespace temper::system_tests

// Wrong input: one clear message that names the thing, status 1 or 2, within seconds, and nothing half-made left
// behind.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <csignal>
#include <cstring>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "tests/system/tiny_run.h"

namespace temper::system_tests {
namespace {

/// What is spoilt, and what the message must name.
struct Mistake {
  const char* name;
  std::function<void(const std::filesystem::path& folder)> spoil;
  std::vector<std::string> overrides;
  int status;
  std::vector<std::string> named;
};

void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.name; }

std::string content_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void replace_content(const std::filesystem::path& file, const std::string& content) {
  std::filesystem::remove_all(file);
  std::ofstream(file, std::ios::binary) << content;
}

/// Rewrites the header of model.safetensors; the data stay.
void edit_header(const std::filesystem::path& folder, const std::function<void(nlohmann::ordered_json&)>& edit) {
  const std::filesystem::path file = folder / "model/model.safetensors";
  const std::string bytes = content_of(file);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof(length));
  auto header = nlohmann::ordered_json::parse(bytes.substr(8, length));
  edit(header);
  const std::string text = header.dump();
  length = text.size();
  std::string out(sizeof(length), '\0');
  std::memcpy(out.data(), &length, sizeof(length));
  std::uint64_t old = 0;
  std::memcpy(&old, bytes.data(), sizeof(old));
  replace_content(file, out + text + bytes.substr(8 + old));
}

void edit_config(const std::filesystem::path& folder, const std::string& key, const nlohmann::json& value) {
  auto config = nlohmann::ordered_json::parse(content_of(folder / "model/config.json"));
  config[key] = value;
  replace_content(folder / "model/config.json", config.dump());
}

void append(const std::filesystem::path& file, const std::string& text) {
  std::ofstream(file, std::ios::app | std::ios::binary) << text;
}

constexpr const char* kQuery = "bert.encoder.layer.0.attention.self.query.weight";

std::vector<Mistake> mistakes() {
  using Path = std::filesystem::path;
  const auto nothing = [](const Path&) {};
  return {
      {"missing_data_file", nothing, {"data.train=data/absent.csv"}, 1, {"data/absent.csv", "no such file"}},
      {"directory_for_a_file", nothing, {"data.train=\"data\""}, 1, {"data"}},
      {"directory_named_like_a_file",
       [](const Path& f) { std::filesystem::create_directory(f / "data/folder.csv"); },
       {"data.train=data/folder.csv"},
       1,
       {"data/folder.csv", "directory"}},
      {"pipe_for_a_data_file",
       [](const Path& f) { ::mkfifo((f / "data/pipe.csv").c_str(), 0600); },
       {"data.train=data/pipe.csv"},
       1,
       {"data/pipe.csv", "is a pipe, expected a file"}},
      {"pipe_for_weights",
       [](const Path& f) {
         std::filesystem::remove(f / "model/model.safetensors");
         ::mkfifo((f / "model/model.safetensors").c_str(), 0600);
       },
       {},
       1,
       {"model/model.safetensors", "is a pipe, expected a file"}},
      {"pipe_for_the_models_configuration",
       [](const Path& f) {
         std::filesystem::remove(f / "model/config.json");
         ::mkfifo((f / "model/config.json").c_str(), 0600);
       },
       {},
       1,
       {"model/config.json", "is a pipe, expected a file"}},
      {"pipe_for_the_configuration",
       [](const Path& f) {
         std::filesystem::remove(f / "run.toml");
         ::mkfifo((f / "run.toml").c_str(), 0600);
       },
       {},
       1,
       {"run.toml", "is a pipe, expected a file"}},
      {"empty_data_file",
       [](const Path& f) { replace_content(f / "data/train.csv", ""); },
       {},
       1,
       {"train.csv", "empty"}},
      {"row_with_too_few_columns",
       [](const Path& f) { append(f / "data/train.csv", "only one\n"); },
       {},
       1,
       {"train.csv", "205"}},
      {"unknown_label_in_validation",
       [](const Path& f) { append(f / "data/validation.csv", "\"a road\",purple,0,good,O O\n"); },
       {},
       1,
       {"validation.csv", "43", "purple", "negative"}},
      {"missing_column", nothing, {"data.label=lable"}, 1, {"lable", "label"}},
      {"not_utf8",
       [](const Path& f) { append(f / "data/train.csv", "\"bad \xFF byte\",positive,0,good,O O O\n"); },
       {},
       1,
       {"train.csv", "byte"}},
      {"missing_model", nothing, {"model.path=absent"}, 1, {"absent"}},
      {"truncated_safetensors",
       [](const Path& f) {
         std::filesystem::resize_file(f / "model/model.safetensors",
                                      std::filesystem::file_size(f / "model/model.safetensors") - 100);
         // Reading all rows may take long, so the weights are looked at before.
         append(f / "data/train.csv", "only one\n");
       },
       {},
       1,
       {"model.safetensors"}},
      {"safetensors_header_too_long",
       [](const Path& f) {
         std::string bytes = content_of(f / "model/model.safetensors");
         const std::uint64_t length = std::uint64_t{1} << 40;
         std::memcpy(bytes.data(), &length, sizeof(length));
         replace_content(f / "model/model.safetensors", bytes);
       },
       {},
       1,
       {"model.safetensors", "header"}},
      {"overlapping_offsets",
       [](const Path& f) {
         edit_header(f, [](nlohmann::ordered_json& header) {
           auto& offsets = header[kQuery]["data_offsets"];
           offsets = {offsets[0].get<std::int64_t>() - 4, offsets[1].get<std::int64_t>() - 4};
         });
       },
       {},
       1,
       {"model.safetensors", "query.weight", "overlap"}},
      {"offsets_out_of_range",
       [](const Path& f) {
         edit_header(f, [](nlohmann::ordered_json& header) {
           header[kQuery]["data_offsets"] = {std::int64_t{1} << 50, (std::int64_t{1} << 50) + 4096};
         });
       },
       {},
       1,
       {"model.safetensors", "query.weight"}},
      {"wrong_dtype",
       [](const Path& f) { edit_header(f, [](nlohmann::ordered_json& header) { header[kQuery]["dtype"] = "I32"; }); },
       {},
       1,
       {"model.safetensors", "query.weight"}},
      {"shape_mismatch",
       [](const Path& f) { edit_config(f, "intermediate_size", 128); },
       {},
       1,
       {"intermediate.dense.weight", "128", "64"}},
      {"unsupported_architecture",
       [](const Path& f) { edit_config(f, "model_type", "gpt9"); },
       {},
       1,
       {"gpt9", "bert", "roberta", "distilbert"}},
      {"tokenizer_of_another_vocabulary",
       [](const Path& f) { edit_config(f, "vocab_size", 30); },
       {},
       1,
       {"tokenizer.json", "30"}},
      {"damaged_tokenizer",
       [](const Path& f) { replace_content(f / "model/tokenizer.json", "{\"version\": "); },
       {},
       1,
       {"tokenizer.json"}},
      {"unknown_key", nothing, {"train.learing_rate=1"}, 2, {"learing_rate", "learning_rate"}},
      {"negative_rate", nothing, {"train.learning_rate=-1"}, 2, {"train.learning_rate", "above 0"}},
      {"zero_batch", nothing, {"train.batch_size=0"}, 2, {"train.batch_size", "at least 1"}},
      {"pattern_that_covers_nothing",
       nothing,
       {"tuning.freeze=[\"encodr\"]"},
       2,
       {"encodr", "did you mean 'encoder'?"}},
      {"unknown_device", nothing, {"run.device=accelerator"}, 2, {"run.device", "accelerator", "cuda"}},
      {"unknown_precision", nothing, {"train.precision=f16"}, 2, {"train.precision", "f16", "bf16"}},
      {"unknown_metric", nothing, {"train.metric=acuracy"}, 2, {"acuracy", "accuracy"}},
      {"output_folder_not_writable",
       [](const Path& f) { replace_content(f / "out", "a file in its place"); },
       {},
       1,
       {"out"}},
      {"loss_not_finite",
       nothing,
       {"train.learning_rate=1e30", "train.clip_norm=0", "train.warmup_ratio=0"},
       1,
       {"not finite", "step"}},
  };
}

class Errors : public TinyRun {
 protected:
  void expect_told(const Outcome& outcome, int status, const std::vector<std::string>& named) {
    EXPECT_EQ(outcome.status, status) << outcome.err;
    EXPECT_FALSE(outcome.timed_out);
    EXPECT_LT(outcome.seconds, 10.0);
    const std::vector<std::string> messages = outcome.messages();
    ASSERT_EQ(messages.size(), 1U) << outcome.err;
    for (const std::string& part : named)
      EXPECT_NE(messages[0].find(part), std::string::npos) << "'" << part << "' in: " << messages[0];
    EXPECT_FALSE(std::filesystem::exists(path("out/model")));
    if (!std::filesystem::is_directory(path("out"))) return;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path("out")))
      EXPECT_NE(entry.path().extension(), ".partial") << entry.path();
  }
};

class EachMistake : public Errors, public testing::WithParamInterface<Mistake> {};

TEST_P(EachMistake, EndsInOneMessage) {
  GetParam().spoil(folder_);
  expect_told(train("out", GetParam().overrides), GetParam().status, GetParam().named);
}

TEST_P(EachMistake, EndsInOneMessageOfTwoRanks) {
  GetParam().spoil(folder_);
  expect_told(train("out", GetParam().overrides, 2), GetParam().status, GetParam().named);
}

INSTANTIATE_TEST_SUITE_P(Input, EachMistake, testing::ValuesIn(mistakes()),
                         [](const auto& mistake) { return std::string(mistake.param.name); });

class WithoutAGpu : public Errors {
 protected:
  /// A command of temper that sees no GPU, whether the program is built for them and the machine has one or not.
  Outcome run_blind(const std::vector<std::string>& arguments, int ranks = 0) {
    Invocation invocation;
    invocation.folder = folder_;
    invocation.arguments = arguments;
    invocation.ranks = ranks;
    std::vector<std::string> command = command_line(invocation);
    command.insert(command.begin() + (ranks > 0 ? 6 : 0), {"env", "CUDA_VISIBLE_DEVICES="});
    return run_command(command, invocation);
  }
};

TEST_F(WithoutAGpu, CudaIsRefusedWithTheReasonAndTheRemedy) {
  const std::vector<std::string> train{"train", "run.toml", "--set", "output.dir=out", "--set", "run.device=cuda"};
  const std::vector<std::string> named{"run.device is cuda", "no GPU to use", "run.device = \"cpu\""};
  expect_told(run_blind(train), 1, named);
  expect_told(run_blind(train, 2), 1, named);
  EXPECT_FALSE(std::filesystem::exists(path("out")));
}

TEST_F(WithoutAGpu, EveryCommandRefusesCuda) {
  ASSERT_EQ(train("made", {"train.epochs=1", "run.device=cpu"}).status, 0);
  expect_told(run_blind({"eval", "made/model", "data/test.csv", "--device", "cuda"}), 1, {"no GPU to use"});
  expect_told(run_blind({"predict", "made/model", "data/test.csv", "--device", "cuda"}), 1, {"no GPU to use"});
  expect_told(run_blind({"eval", "made/model", "data/test.csv", "--device", "tpu"}), 2, {"tpu", "cpu", "cuda"});
}

TEST_F(WithoutAGpu, AutoComputesOnTheCpu) {
  const std::vector<std::string> shared{"train", "run.toml", "--set", "train.epochs=1", "--set"};
  const auto with = [&](const char* output, const char* device) {
    std::vector<std::string> arguments = shared;
    arguments.insert(arguments.end(),
                     {std::string("output.dir=") + output, "--set", std::string("run.device=") + device});
    return run_blind(arguments);
  };
  const Outcome on_auto = with("automatic", "auto");
  EXPECT_EQ(on_auto.status, 0) << on_auto.err;
  EXPECT_EQ(with("by-name", "cpu").status, 0);
  EXPECT_TRUE(weights("automatic") == weights("by-name"));
}

TEST_F(Errors, RanksWithDifferentConfigurations) {
  Invocation invocation;
  invocation.folder = folder_;
  const std::string program = TEMPER_PROGRAM;
  using Pair = std::array<const char*, 2>;
  for (const Pair& pair : {Pair{"train.learning_rate=1e-3", "train.learning_rate=2e-3"},
                           Pair{"run.device=cpu", "run.device=auto"}, Pair{"run.device=auto", "run.device=cpu"}}) {
    std::vector<std::string> command{TEMPER_MPIEXEC, "--oversubscribe", "--bind-to", "none"};
    for (const char* setting : pair) {
      if (command.size() > 4) command.emplace_back(":");
      command.insert(command.end(),
                     {"-n", "1", program, "train", "run.toml", "--set", "output.dir=out", "--set", setting});
    }
    expect_told(run_command(command, invocation), 2, {"rank", "differ"});
  }
}

TEST_F(Errors, AnErrorOfOneRankEndsTheOthers) {
  // Only rank 1 finds its file missing.
  Invocation invocation;
  invocation.folder = folder_;
  const std::string script =
      "if [ \"$OMPI_COMM_WORLD_RANK\" = 1 ]; then cd absent-for-rank-1 && rm model/tokenizer.json; fi; "
      "exec \"$0\" train run.toml --set output.dir=" +
      path("out").string();
  std::filesystem::create_directory(path("absent-for-rank-1"));
  for (const char* name : {"model", "data"})
    std::filesystem::copy(path(name), path("absent-for-rank-1") / name, std::filesystem::copy_options::recursive);
  std::filesystem::copy(path("run.toml"), path("absent-for-rank-1/run.toml"));
  const std::vector<std::string> command{TEMPER_MPIEXEC, "-n", "3",    "--oversubscribe", "--bind-to", "none",
                                         "sh",           "-c", script, TEMPER_PROGRAM};
  expect_told(run_command(command, invocation), 1, {"rank 1", "tokenizer.json"});
}

TEST_F(Errors, ARankThatNoLongerAnswersEndsTheRun) {
  Invocation invocation;
  invocation.meanwhile = [this, stopped = false](pid_t mpirun) mutable {
    if (stopped || read(path("out") / "metrics.jsonl").size() < 100) return;
    const std::string children = "/proc/" + std::to_string(mpirun) + "/task/" + std::to_string(mpirun) + "/children";
    std::ifstream list(children);
    pid_t first = 0;
    pid_t second = 0;
    if (!(list >> first >> second)) return;
    stopped = kill(second, SIGSTOP) == 0;
  };
  const Outcome outcome =
      train("out", {"train.epochs=2000", "run.timeout_seconds=1", "output.tensorboard=false"}, 2, invocation);
  EXPECT_EQ(outcome.status, 1) << outcome.err;
  EXPECT_FALSE(outcome.timed_out);
  ASSERT_FALSE(outcome.messages().empty()) << outcome.err;
  EXPECT_NE(outcome.messages()[0].find("waited"), std::string::npos) << outcome.messages()[0];
}

TEST_F(Errors, AFullDiskWhileSavingKeepsTheOlderCheckpoint) {
  ASSERT_EQ(train("first", {"train.epochs=1"}).status, 0);
  std::filesystem::create_directories(path("out/checkpoints"));
  Invocation tight;
  // Enough for the logs and the token cache, not for a checkpoint.
  tight.largest_file_bytes = 100'000;
  const Outcome outcome = train("out", {"train.epochs=1"}, 0, tight);
  expect_told(outcome, 1, {"checkpoint-00000007.h5"});

  // And in a run that has a good one already.
  ASSERT_EQ(train("grown", {"train.max_steps=14", "checkpoint.every_steps=7", "output.export_model=false"}).status, 0);
  std::filesystem::remove(path("grown/checkpoints/checkpoint-00000014.h5"));
  const Outcome again =
      train("grown", {"train.max_steps=14", "checkpoint.every_steps=7", "output.export_model=false"}, 0, tight);
  EXPECT_EQ(again.status, 1) << again.err;
  EXPECT_TRUE(std::filesystem::exists(path("grown/checkpoints/checkpoint-00000007.h5")));
  EXPECT_EQ(train("grown", {"train.max_steps=14", "checkpoint.every_steps=7", "output.export_model=false"}).status, 0);
}

TEST_F(Errors, ADamagedCheckpointIsRefusedByItsName) {
  ASSERT_EQ(train("out2", {"train.epochs=1"}).status, 0);
  const std::filesystem::path file = path("out2/checkpoints/checkpoint-00000007.h5");
  std::string bytes = content_of(file);
  bytes[bytes.size() / 3] = static_cast<char>(bytes[bytes.size() / 3] ^ 1);
  replace_content(file, bytes);
  Invocation inspect;
  inspect.folder = folder_;
  inspect.arguments = {"inspect", file.string()};
  expect_told(run(inspect), 1, {"checkpoint-00000007.h5", "damaged"});
  inspect.arguments = {"export", file.string(), "-o", "exported"};
  expect_told(run(inspect), 1, {"checkpoint-00000007.h5", "damaged"});
  EXPECT_FALSE(std::filesystem::exists(path("exported")));
}

TEST_F(Errors, ACheckpointOfAnotherModelIsRefused) {
  ASSERT_EQ(train("out2", {"train.epochs=1"}).status, 0);
  std::string bytes = content_of(path("model/model.safetensors"));
  bytes[bytes.size() - 3] = static_cast<char>(bytes[bytes.size() - 3] ^ 1);
  replace_content(path("model/model.safetensors"), bytes);
  Invocation command;
  command.folder = folder_;
  command.arguments = {"export", "out2/checkpoints/checkpoint-00000007.h5", "-o", "exported"};
  expect_told(run(command), 1, {"base model", "--base"});
  EXPECT_FALSE(std::filesystem::exists(path("exported")));
}

}  // namespace
}  // namespace temper::system_tests

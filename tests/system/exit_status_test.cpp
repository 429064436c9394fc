// One rule for all commands (docs/clusters.md): 2 for what was written, whatever lies on the disk; 1 for what lies
// there.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/system/tiny_run.h"

namespace temper::system_tests {
namespace {

using Words = std::vector<std::string>;

class ExitStatus : public TinyRun {
 protected:
  void expect(int status, const std::vector<Words>& lines) const {
    for (const Words& words : lines) {
      Invocation invocation;
      invocation.arguments = words;
      invocation.folder = folder_;
      invocation.limit_seconds = 60.0;
      const Outcome outcome = run(invocation);
      std::string line;
      for (const std::string& word : words) line += " " + word;
      EXPECT_EQ(outcome.status, status) << "temper" << line << "\n" << outcome.err;
    }
  }
};

TEST_F(ExitStatus, FilesThatAreMissingOrDamagedAreFailures) {
  write("damaged.json", "{");
  write("damaged/config.json", "{");
  write("damaged.h5", "no checkpoint");
  write("empty.csv", "");
  std::filesystem::create_directory(path("no-model"));
  expect(1, {{"train", "gone.toml"},
             {"train", "run.toml", "--set", "model.path=\"gone\""},
             {"train", "run.toml", "--set", "model.path=\"damaged\""},
             {"train", "run.toml", "--set", "data.train=\"gone.csv\""},
             {"train", "run.toml", "--set", "data.train=\"empty.csv\""},
             {"train", "run.toml", "--set", "output.dir=\"run.toml/out\""},
             {"plan", "gone.toml"},
             {"plan", "run.toml", "--machine", "gone.json"},
             {"plan", "run.toml", "--machine", "damaged.json"},
             {"eval", "gone", "data/train.csv"},
             {"eval", "no-model", "data/train.csv"},
             {"predict", "gone", "data/train.csv"},
             {"predict", "model", "data/train.csv", "--adapter", "gone"},
             {"generate", "gone", "a"},
             {"chat", "gone"},
             {"export", "gone.h5", "-o", "exported"},
             {"export", "damaged.h5", "-o", "exported"},
             {"export", "no-model", "-o", "exported"},
             {"inspect", "gone"},
             {"inspect", "damaged.h5"},
             {"inspect", "data/train.csv", "--model", "gone"},
             {"tokenizer", "train", "gone.txt", "--vocabulary", "300", "-o", "tokenizer"},
             {"bench", "machine", "--quick", "--device", "cpu", "--output", "run.toml/machine.json"}});
}

TEST_F(ExitStatus, WhatWasWrittenIsWrongUsage) {
  write("damaged.toml", "a = [\n");
  write("key.toml", "[train]\nepoch = 1\n");
  expect(2, {{},
             {"nothing"},
             {"train"},
             {"train", "damaged.toml"},
             {"train", "key.toml"},
             {"train", "run.toml", "--set", "train.batch_size=0"},
             {"train", "run.toml", "--set", "train.batch_size"},
             {"train", "run.toml", "--fresh", "--resume"},
             {"plan", "damaged.toml"},
             {"plan", "run.toml", "--sbatch", "--json"},
             {"eval"},
             {"eval", "gone", "gone.csv", "--device", "tpu"},
             {"predict", "gone", "gone.csv", "--top", "0"},
             {"generate", "gone", "--system", "a"},
             {"generate", "gone", "a", "--top-p", "2"},
             {"chat", "gone", "--temperature", "-1"},
             {"eval", "gone", "gone.csv", "--temperature", "1"},
             {"eval", "gone", "gone.csv", "--reference", "a", "--stop", ""},
             {"export", "gone.h5"},
             {"inspect"},
             {"inspect", "gone.csv", "--mask"},
             {"tokenizer"},
             {"tokenizer", "train", "gone.txt", "-o", "tokenizer"},
             {"bench"},
             {"bench", "machine", "--device", "tpu"},
             {"version", "more"}});
}

}  // namespace
}  // namespace temper::system_tests

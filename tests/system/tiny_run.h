// A folder with a tiny pre-trained model, tiny labelled data and the configuration of a run on them, and the program
// run there.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/system/program.h"
#include "tests/tiny_files.h"

namespace temper::system_tests {

using testing_support::kHeldOutRows;
using testing_support::kTrainRows;

/// The test's own folder with model/, data/ and run.toml; removed at the end.
class TinyRun : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  /// temper train run.toml with these overrides; output.dir is <folder>/<output>.
  Outcome train(const std::string& output, const std::vector<std::string>& overrides, int ranks = 0,
                Invocation invocation = {}) const;
  [[nodiscard]] std::filesystem::path path(const std::string& name) const { return folder_ / name; }
  [[nodiscard]] std::string read(const std::filesystem::path& file) const;
  void write(const std::string& name, const std::string& content) const;
  /// Makes the first value of one tensor of a safetensors file infinite. Gives the tensor's name.
  [[nodiscard]] std::string spoil_weight(const std::string& file) const;
  /// The bytes of the weights that a run exported.
  [[nodiscard]] std::string weights(const std::string& output) const {
    return read(folder_ / output / "model" / "model.safetensors");
  }

  std::filesystem::path folder_;
};

}  // namespace temper::system_tests

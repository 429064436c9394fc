// A tiny pre-trained model and tiny labelled data, written by the test itself, and the configuration of a run on them.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/system/program.h"

namespace temper::system_tests {

inline constexpr int kTrainRows = 203;  // does not divide by the batch
inline constexpr int kHeldOutRows = 41;

/// A BERT of two layers of width 32 with random weights and a WordPiece vocabulary.
void write_tiny_model(const std::filesystem::path& folder);
/// train.csv, validation.csv, test.csv: three classes that words tell apart; columns text, label, score, tags, words,
/// word_labels serve the other tasks.
void write_tiny_data(const std::filesystem::path& folder);

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
  /// The bytes of the weights that a run exported.
  [[nodiscard]] std::string weights(const std::string& output) const {
    return read(folder_ / output / "model" / "model.safetensors");
  }

  std::filesystem::path folder_;
};

}  // namespace temper::system_tests

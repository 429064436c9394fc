// A tiny pre-trained model, tiny labelled data, and the configuration of a run on them, for tests that fine-tune.
#pragma once

#include <filesystem>
#include <string>

namespace temper::testing_support {

inline constexpr int kTrainRows = 203;  // does not divide by the batch
inline constexpr int kHeldOutRows = 41;

/// A BERT of two layers of width 32 with random weights and a WordPiece vocabulary.
void write_tiny_model(const std::filesystem::path& folder);
/// train.csv, validation.csv, test.csv: three classes that words tell apart; columns text, label, score, tags,
/// word_labels serve the other tasks.
void write_tiny_data(const std::filesystem::path& folder);
/// run.toml, for a folder that holds these two as model/ and data/.
std::string tiny_configuration();

}  // namespace temper::testing_support

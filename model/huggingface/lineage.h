// Where a trained model comes from: what its checkpoints and its model card keep of the run.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace temper {

/// A data file that the model was trained or measured on.
struct DataFileLineage {
  /// "train", "validation", "test", "evaluation/NAME" of a named set; without rows, "tokenizer" and "adapter" are what
  /// the model was read with.
  std::string role;
  std::string file;
  std::string sha256;
  std::int64_t rows = 0;
  /// Which of the names in data.train stands for it, counted from 0, where data.train_weights mixes them by weight; -1:
  /// nothing is mixed, or older versions did not tell.
  std::int64_t mixed_as = -1;
  /// Of the pictures that a folder holds or a table lists, which are part of sha256 as well; empty: there are none, or
  /// older versions did not tell.
  std::string pictures_sha256 = {};
};

/// Everything that it takes to make the model again. What is empty is left out of the card.
struct Lineage {
  std::string title;              ///< name of the exported folder
  std::string architecture;       ///< e.g. "BertForSequenceClassification"
  std::string task;               ///< as in the configuration: "sequence-classification", ...
  std::string hub_pipeline;       ///< what model hubs call it; not kept in JSON, for the task knows it
  std::string base_model;         ///< name of the base model's folder
  std::string base_model_sha256;  ///< WeightFiles::digest()
  std::vector<std::string> labels;
  std::vector<DataFileLineage> data_files;
  std::string program_version;
  std::int64_t ranks = 0;                               ///< 0: unknown
  std::int64_t steps = 0;                               ///< optimiser steps; 0: unknown
  std::vector<std::pair<std::string, double>> metrics;  ///< name and value, in the order to show
  std::string configuration;                            ///< the run's TOML
  bool is_adapter = false;                              ///< the folder holds an adapter (PEFT); not kept in JSON
  std::string library = "transformers";                 ///< that loads the folder; not kept in JSON
  std::string job = {};                                 ///< of a scheduler: "Slurm job 25 on n[1-4]"; empty: none
  /// How what the model says is read, name and text, in the order to show, and a sentence of caution; neither is kept
  /// in JSON.
  std::vector<std::pair<std::string, std::string>> reading = {};
  std::string caution = {};
  std::string chat_template = {};  ///< text of the file data.chat_template; empty: it names none
};

/// As JSON, for a checkpoint, and back.
std::string lineage_to_json(const Lineage& lineage);
/// Members that older versions did not write stay as they are. Throws Error if the text is no lineage.
Lineage parse_lineage(const std::string& json);

}  // namespace temper

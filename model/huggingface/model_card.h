// README.md of an exported model: YAML front matter that model hubs read, then where the model comes from.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace temper {

/// A data file that the model was trained or measured on.
struct DataFileLineage {
  std::string role;  ///< "train", "validation", "test"
  std::string file;
  std::string sha256;
  std::int64_t rows = 0;
};

/// Everything that it takes to make the model again. What is empty is left out of the card.
struct Lineage {
  std::string title;              ///< name of the exported folder
  std::string architecture;       ///< e.g. "BertForSequenceClassification"
  std::string task;               ///< as in the configuration: "sequence-classification", ...
  std::string base_model;         ///< name of the base model's folder
  std::string base_model_sha256;  ///< WeightFiles::digest()
  std::vector<std::string> labels;
  std::vector<DataFileLineage> data_files;
  std::string program_version;
  std::int64_t ranks = 0;                               ///< 0: unknown
  std::int64_t steps = 0;                               ///< optimiser steps; 0: unknown
  std::vector<std::pair<std::string, double>> metrics;  ///< name and value, in the order to show
  std::string configuration;                            ///< the run's TOML
  std::string job = {};                                 ///< of a scheduler: "Slurm job 25 on n[1-4]"; empty: none
};

/// The same lineage gives the same text. Names from outside cannot break out of the table, list or block they are in.
std::string model_card(const Lineage& lineage);

}  // namespace temper

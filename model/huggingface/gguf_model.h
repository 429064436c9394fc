// A GGUF file in place of a model folder: its metadata as the config.json that a folder would have, and its tensors
// under the names of that folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "model/gguf/gguf_file.h"
#include "model/huggingface/gguf_architecture.h"
#include "model/huggingface/tensor_file.h"

namespace temper {

class GgufModel {
 public:
  /// Opens all parts of a model that is split. Throws Error for a damaged file, and for an architecture that is not
  /// read.
  explicit GgufModel(const std::filesystem::path& path);

  [[nodiscard]] const GgufMetadata& metadata() const { return parts_.front().metadata(); }
  [[nodiscard]] const GgufArchitecture& architecture() const { return *architecture_; }
  /// Null where no part has it.
  [[nodiscard]] const GgufTensor* find(const std::string& name) const;
  [[nodiscard]] std::size_t tensor_count() const;
  /// Rows of the word embeddings.
  [[nodiscard]] std::int64_t vocabulary_size() const;

  /// The value of "ARCHITECTURE.key" as one number, also where it is a list of equal ones. Throws Error for others.
  [[nodiscard]] std::optional<std::int64_t> size(std::string_view key) const;
  [[nodiscard]] std::optional<double> real(std::string_view key) const;
  [[nodiscard]] std::string key(std::string_view suffix) const;
  /// Heads of queries, and of keys and values. Throws Error where one does not divide the other.
  [[nodiscard]] std::int64_t heads() const;
  [[nodiscard]] std::int64_t key_heads() const;

  /// config.json of the same model. Throws Error naming the key that is missing or out of range.
  [[nodiscard]] std::string config_json() const;
  /// The files with their tensors, which nothing is read of yet. Throws Error for types that are not read. The model is
  /// empty afterwards.
  [[nodiscard]] std::vector<TensorFile> take_weights();

 private:
  [[nodiscard]] TensorView view_of(const GgufTensor& tensor, const std::filesystem::path& file) const;

  std::vector<GgufFile> parts_;
  const GgufArchitecture* architecture_ = nullptr;
};

}  // namespace temper

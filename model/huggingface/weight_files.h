// The weights of a Hugging Face model folder: model.safetensors, or model.safetensors.index.json and its shards; where
// there are none, pytorch_model.bin, or pytorch_model.bin.index.json and its shards. Or those of a GGUF file, under the
// names that a folder would have for them.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "model/huggingface/safetensors.h"
#include "model/huggingface/tensor_file.h"

namespace temper {

/// All weights of a folder under their names. The files stay mapped as long as this object lives, and so do the views
/// and the bytes that they show; nothing is copied but tensors of pytorch_model.bin that do not lie row by row.
class WeightFiles {
 public:
  /// The single file is preferred where both exist, and safetensors to PyTorch's files, as transformers does. Throws
  /// Error where the folder holds no weights, the index is damaged, a shard is missing, a tensor is not in the shard
  /// that the index names, or a tensor lies in two shards. A GGUF file is given in place of the folder.
  static WeightFiles open(const std::filesystem::path& folder);

  /// Of a model without weights: no tensors, whatever files the folder holds. Its digest is the SHA-256 of config.json,
  /// which says all that there is of the model.
  static WeightFiles none(const std::filesystem::path& folder) { return WeightFiles(folder); }

  /// nullptr where there is no such tensor.
  [[nodiscard]] const TensorView* find(const std::string& name) const;
  /// Sorted.
  [[nodiscard]] std::vector<std::string> names() const;
  /// SHA-256 of the weights; reads every byte, so call it once. One file: its SHA-256. Shards: the SHA-256 of one line
  /// per shard, "<SHA-256> <file name>\n", sorted by name (what `sha256sum *.safetensors | sha256sum` prints). Without
  /// meaning where it was asked to stop.
  [[nodiscard]] std::string digest(const std::stop_token& stop = {}) const;
  /// SHA-256 of the names, types and shapes of all tensors and of the first and last kilobytes of each: reads little,
  /// and tells any two models apart of which one was trained on.
  [[nodiscard]] std::string fingerprint() const;
  /// Once most weights have been read and will not be again: what is read nevertheless is fetched anew.
  void forget_pages() const noexcept;
  /// Throws Error where there is no such tensor.
  [[nodiscard]] std::filesystem::path file_of(const std::string& name) const;

 private:
  explicit WeightFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}
  void add(TensorFile file);
  void add_file(const std::string& name);
  void add_shards(const std::string& index_name);

  std::filesystem::path folder_;
  std::vector<TensorFile> files_;  ///< sorted by name
  std::map<std::string, const TensorView*> tensors_;
};

/// The values as f32, rounded to nearest even where the stored type is wider (f64); every f16, bf16 and f32 is exact.
/// out: product(shape) floats. Throws Error naming file and tensor for types that are no floating point.
void to_f32(const TensorView& tensor, std::span<float> out);

/// Stored as f32 and aligned to 4 bytes: the mapped bytes may be used in place.
bool is_mappable_f32(const TensorView& tensor);

}  // namespace temper

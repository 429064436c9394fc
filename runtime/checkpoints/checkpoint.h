// A checkpoint: one HDF5 file of global tensors that is either whole or absent.
//
// Rank 0 lays the file out: text, attributes, and a contiguous data set for every tensor, whose place in the file HDF5
// tells. Every rank then writes its slices straight to those places, so nothing passes through rank 0. Behind HDF5's
// own end lies a trailer that HDF5 does not look at: the checksum (XXH3) of every region of the file. It is checked
// before HDF5 reads a byte, so a flipped bit anywhere is found. The file is written beside its final name, read back,
// synced and renamed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/damaged_content.h"
#include "comm/communicator.h"

namespace temper {

/// A tensor of f32 as a whole. Its name is its path in the file: "parameters/classifier.weight".
struct CheckpointTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  [[nodiscard]] std::int64_t elements() const;
};

/// A part of a tensor that this rank holds: elements [begin, begin + values.size()) in row-major order.
struct TensorSlice {
  std::size_t tensor = 0;  ///< index into CheckpointContent::tensors
  std::int64_t begin = 0;
  std::span<const float> values;
};

struct CheckpointContent {
  std::string state_json;
  std::string configuration_toml;
  std::string lineage_json;
  std::int64_t step = 0;
  std::vector<CheckpointTensor> tensors;  ///< the same on all ranks
  std::vector<TensorSlice> slices;        ///< over all ranks, every element exactly once
};

/// Collective. Throws the same Error on all ranks if any of them fails (a full disk, no permission); then nothing of
/// the new file is left and an older one of that name is untouched.
void save_checkpoint(const std::filesystem::path& file, const CheckpointContent& content, Communicator& communicator);

class Checkpoint {
 public:
  /// Collective: the ranks check the regions of the file together. Throws the same on all ranks: DamagedContent if the
  /// file is cut, damaged in any byte, or no checkpoint; another Error if it is missing, cannot be read, or was written
  /// by another version of the program.
  static Checkpoint open(const std::filesystem::path& file, Communicator& communicator);
  ~Checkpoint();
  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;

  [[nodiscard]] const std::string& state_json() const;
  [[nodiscard]] const std::string& configuration_toml() const;
  [[nodiscard]] const std::string& lineage_json() const;
  [[nodiscard]] std::int64_t step() const;
  [[nodiscard]] const std::vector<CheckpointTensor>& tensors() const;
  /// Any part of a tensor, on any rank. Throws Error for a tensor or a range that the file does not hold.
  void read(const std::string& tensor, std::int64_t begin, std::span<float> values) const;

 private:
  struct Parts;
  explicit Checkpoint(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace temper

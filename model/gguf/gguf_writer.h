// Writing GGUF files (version 3, alignment 32), a tensor at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/gguf/ggml_type.h"

namespace temper {

/// Keys and values in the order in which they are added, as they lie in the file.
class GgufKeys {
 public:
  void add_u32(std::string_view key, std::uint32_t value);
  void add_f32(std::string_view key, float value);
  void add_flag(std::string_view key, bool value);
  void add_text(std::string_view key, std::string_view value);
  void add_texts(std::string_view key, std::span<const std::string> values);
  void add_i32s(std::string_view key, std::span<const std::int32_t> values);
  void add_f32s(std::string_view key, std::span<const float> values);
  /// Those of another, behind these.
  void add(const GgufKeys& others);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::uint64_t count_ = 0;
  std::vector<std::byte> bytes_;
};

struct GgufTensorToWrite {
  std::string name;
  std::vector<std::int64_t> shape;  ///< rows first; rows of whole blocks
  GgmlType type;
  /// Appends the tensor's blocks; called once, when it is written.
  std::function<void(std::vector<std::byte>&)> blocks;
};

/// Written beside its final name, synced, renamed. Throws Error for what the system refuses, and for blocks that are
/// not as many as the shape has.
void write_gguf(const std::filesystem::path& path, const GgufKeys& keys, std::span<const GgufTensorToWrite> tensors);

}  // namespace temper

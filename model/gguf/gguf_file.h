// The GGUF format, versions 2 and 3 (ggml's docs/gguf.md): "GGUF", the version, the counts of tensors and keys, the
// keys with their values, the list of tensors, and, from the next multiple of general.alignment, the data. All numbers
// are little-endian. Every file is taken for hostile: nothing is allocated for a count before as many bytes are there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "model/gguf/ggml_type.h"
#include "model/gguf/gguf_metadata.h"

namespace temper {

/// A tensor that lies in a mapped file.
struct GgufTensor {
  std::string name;
  GgmlType type;
  std::vector<std::int64_t> shape;   ///< rows first, as everywhere else here: ggml counts its dimensions the other way
  std::span<const std::byte> bytes;  ///< whole blocks, row after row
};

/// A mapped file whose header has been checked whole; no data is read until somebody reads a tensor.
class GgufFile {
 public:
  /// Throws Error naming file, place, what was found, what was expected and what to do.
  explicit GgufFile(const std::filesystem::path& path);

  [[nodiscard]] const GgufMetadata& metadata() const { return metadata_; }
  [[nodiscard]] const std::map<std::string, GgufTensor>& tensors() const { return tensors_; }
  [[nodiscard]] const std::filesystem::path& path() const { return file_.path(); }
  /// The mapping, where it is; the tensors go on viewing it.
  [[nodiscard]] MappedFile release_mapping() && { return std::move(file_); }

 private:
  MappedFile file_;
  GgufMetadata metadata_;
  std::map<std::string, GgufTensor> tensors_;
};

/// Whether a path leads to a file that is to be read as GGUF: by its ending, or by its first bytes.
bool is_gguf_file(const std::filesystem::path& path);

/// All files of a model that is split ("-00001-of-00003.gguf"), given the first; else the file alone. Throws Error for
/// another part than the first.
std::vector<std::filesystem::path> gguf_parts(const std::filesystem::path& path);

/// These files opened, and their parts compared. Throws Error for a part that is missing or of another model.
std::vector<GgufFile> open_gguf_parts(const std::filesystem::path& path);

}  // namespace temper

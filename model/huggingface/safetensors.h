// The safetensors format (Hugging Face safetensors specification): the length of the header as a little-endian u64,
// the header (a JSON object: name -> dtype, shape, data_offsets), then the data. Offsets count from the start of the
// data, and the tensors must tile the data: no overlap, no hole, nothing left over. Every file is taken for hostile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "model/huggingface/gguf_form.h"

namespace temper {

/// What safetensors has, and what is decoded from a GGUF file (TensorView::gguf).
enum class StoredType { f64, f32, f16, bf16, i64, i32, i16, i8, u8, boolean, gguf };

/// Of an element; there is no size for those of a GGUF file, which come in blocks.
std::size_t size_in_bytes(StoredType type);
/// As the format spells it: "F32", "BOOL".
std::string_view name_of(StoredType type);
/// The product of the extents, 1 for a scalar (no extents); none where an extent is negative or the product does not
/// fit into 63 bits.
std::optional<std::int64_t> element_count(std::span<const std::int64_t> shape);

/// A tensor that lies in a mapped file: valid as long as the SafetensorsFile lives. `bytes` holds exactly
/// product(shape) * size_in_bytes(type) bytes, row-major, little-endian, not necessarily aligned; of a GGUF file, whole
/// blocks of gguf.type.
struct TensorView {
  std::string name;
  StoredType type;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
  std::string file = {};  ///< for messages
  GgufForm gguf = {};     ///< of a StoredType::gguf
};

/// The name of a tensor's type in its file: "F32", "Q4_K".
std::string_view type_name(const TensorView& tensor);

/// A mapped file whose header has been checked whole; no data is read or copied until somebody reads a view.
class SafetensorsFile {
 public:
  /// Throws Error naming file, tensor, what was found, what was expected and what to do.
  explicit SafetensorsFile(const std::filesystem::path& path);

  [[nodiscard]] const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  /// The header's `__metadata__`; empty where there is none.
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return metadata_; }
  [[nodiscard]] const std::filesystem::path& path() const { return file_.path(); }
  [[nodiscard]] const MappedFile& mapped() const { return file_; }
  /// The mapping and its views, which stay where they are.
  [[nodiscard]] std::pair<MappedFile, std::map<std::string, TensorView>> release() && {
    return {std::move(file_), std::move(tensors_)};
  }
  /// As MappedFile::forget_pages().
  void forget_pages() const noexcept { file_.forget_pages(); }

 private:
  MappedFile file_;
  std::map<std::string, TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
};

/// A tensor to be stored as F32; values: product(shape) floats, row-major, borrowed during the write. Or as BF16
/// or F16: then `narrow` has the bits of as many, and `values` none. Or as I64: then `counts` has them.
struct TensorToWrite {
  std::string name;
  std::vector<std::int64_t> shape;
  std::span<const float> values;
  std::span<const std::uint16_t> narrow = {};
  StoredType narrow_type = StoredType::bf16;
  std::span<const std::int64_t> counts = {};

  [[nodiscard]] StoredType type() const {
    if (!counts.empty()) return StoredType::i64;
    return narrow.empty() ? StoredType::f32 : narrow_type;
  }
  [[nodiscard]] std::span<const std::byte> bytes() const {
    if (!counts.empty()) return std::as_bytes(counts);
    return narrow.empty() ? std::as_bytes(values) : std::as_bytes(narrow);
  }
};

/// Writes the tensors. The data begins at a multiple of 64 bytes (the header is padded with blanks, as the
/// specification allows), and tensors of a multiple of 64 bytes come first, so that each of them is aligned, too; apart
/// from that they lie in the order given. Written beside its final name, synced, renamed: a reader sees the old file or
/// the new, and after a failure the old one. Throws Error for names given twice, shapes that do not match their
/// values, and everything that the system refuses (full disk, no permission).
void write_safetensors(const std::filesystem::path& path, std::span<const TensorToWrite> tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace temper

#include "model/gguf/gguf_writer.h"

#include "base/error.h"
#include "base/partial_file.h"
#include "model/gguf/gguf_metadata.h"

namespace temper {
namespace {

constexpr std::uint64_t kWrittenAlignment = 32;
constexpr std::uint32_t kWrittenVersion = 3;

template <typename Number>
void put(std::vector<std::byte>& bytes, Number number) {
  const auto* begin = reinterpret_cast<const std::byte*>(&number);
  bytes.insert(bytes.end(), begin, begin + sizeof(number));
}

void put(std::vector<std::byte>& bytes, std::string_view text) {
  put(bytes, std::uint64_t{text.size()});
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  bytes.insert(bytes.end(), begin, begin + text.size());
}

void put(std::vector<std::byte>& bytes, GgufValueType type) { put(bytes, static_cast<std::uint32_t>(type)); }

void pad(std::vector<std::byte>& bytes) {
  bytes.resize((bytes.size() + kWrittenAlignment - 1) / kWrittenAlignment * kWrittenAlignment);
}

std::uint64_t bytes_of(const GgufTensorToWrite& tensor) {
  const GgmlTypeLayout& layout = layout_of(tensor.type);
  std::uint64_t elements = 1;
  for (const std::int64_t extent : tensor.shape) elements *= static_cast<std::uint64_t>(extent);
  return elements / layout.block_elements * layout.block_bytes;
}

}  // namespace

void GgufKeys::add_u32(std::string_view key, std::uint32_t value) {
  put(bytes_, key);
  put(bytes_, GgufValueType::u32);
  put(bytes_, value);
  ++count_;
}

void GgufKeys::add_f32(std::string_view key, float value) {
  put(bytes_, key);
  put(bytes_, GgufValueType::f32);
  put(bytes_, value);
  ++count_;
}

void GgufKeys::add_flag(std::string_view key, bool value) {
  put(bytes_, key);
  put(bytes_, GgufValueType::boolean);
  put(bytes_, static_cast<std::uint8_t>(value ? 1 : 0));
  ++count_;
}

void GgufKeys::add_text(std::string_view key, std::string_view value) {
  put(bytes_, key);
  put(bytes_, GgufValueType::text);
  put(bytes_, value);
  ++count_;
}

namespace {

template <typename Value>
void put_list(std::vector<std::byte>& bytes, std::string_view key, GgufValueType type, std::span<const Value> values) {
  put(bytes, key);
  put(bytes, GgufValueType::array);
  put(bytes, type);
  put(bytes, std::uint64_t{values.size()});
  for (const Value& value : values) {
    if constexpr (std::is_same_v<Value, std::string>) {
      put(bytes, std::string_view(value));
    } else {
      put(bytes, value);
    }
  }
}

}  // namespace

void GgufKeys::add_texts(std::string_view key, std::span<const std::string> values) {
  put_list(bytes_, key, GgufValueType::text, values);
  ++count_;
}

void GgufKeys::add_i32s(std::string_view key, std::span<const std::int32_t> values) {
  put_list(bytes_, key, GgufValueType::i32, values);
  ++count_;
}

void GgufKeys::add_f32s(std::string_view key, std::span<const float> values) {
  put_list(bytes_, key, GgufValueType::f32, values);
  ++count_;
}

void GgufKeys::add(const GgufKeys& others) {
  bytes_.insert(bytes_.end(), others.bytes_.begin(), others.bytes_.end());
  count_ += others.count_;
}

void write_gguf(const std::filesystem::path& path, const GgufKeys& keys, std::span<const GgufTensorToWrite> tensors) {
  std::vector<std::byte> header;
  for (const char c : std::string_view("GGUF")) header.push_back(static_cast<std::byte>(c));
  put(header, kWrittenVersion);
  put(header, std::uint64_t{tensors.size()});
  put(header, keys.count());
  header.insert(header.end(), keys.bytes().begin(), keys.bytes().end());
  std::uint64_t offset = 0;
  for (const GgufTensorToWrite& tensor : tensors) {
    put(header, std::string_view(tensor.name));
    put(header, static_cast<std::uint32_t>(tensor.shape.size()));
    for (auto extent = tensor.shape.rbegin(); extent != tensor.shape.rend(); ++extent)
      put(header, static_cast<std::uint64_t>(*extent));
    put(header, static_cast<std::uint32_t>(tensor.type));
    put(header, offset);
    offset += (bytes_of(tensor) + kWrittenAlignment - 1) / kWrittenAlignment * kWrittenAlignment;
  }
  pad(header);
  PartialFile file(path);
  file.write(header);
  std::vector<std::byte> blocks;
  for (const GgufTensorToWrite& tensor : tensors) {
    blocks.clear();
    tensor.blocks(blocks);
    if (blocks.size() != bytes_of(tensor))
      throw Error("{}: tensor \"{}\" has {} bytes of {}, expected {} for its shape", path.string(), tensor.name,
                  blocks.size(), layout_of(tensor.type).name, bytes_of(tensor));
    pad(blocks);
    file.write(blocks);
  }
  file.commit();
}

}  // namespace temper

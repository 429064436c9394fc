#include "model/gguf/gguf_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <optional>
#include <utility>

#include "base/error.h"

namespace temper {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF data is little-endian and is mapped as it lies");

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "GGUF";
constexpr std::uint64_t kDefaultAlignment = 32;
constexpr std::uint64_t kLargestAlignment = 1 << 20;
constexpr std::size_t kLongestKey = 65'535;  // of the specification
constexpr std::size_t kLongestTensorName = 255;
constexpr std::uint32_t kMostGgufDimensions = 4;  // of ggml
/// The least that a key (a length, a character, a type, a value) and a tensor (a length, a count, one dimension, a
/// type, an offset) take.
constexpr std::uint64_t kLeastKeyBytes = 8 + 1 + 4 + 1;
constexpr std::uint64_t kLeastTensorBytes = 8 + 4 + 8 + 4 + 8;
constexpr const char* kDamageRemedy = "the file is cut off or damaged: download it again, or convert the model anew";

/// Takes numbers and texts off the front of a file.
class GgufCursor {
 public:
  explicit GgufCursor(const MappedFile& file) : path_(file.path().string()), bytes_(file.bytes()) {}

  [[nodiscard]] std::size_t position() const { return position_; }
  [[nodiscard]] std::uint64_t left() const { return bytes_.size() - position_; }
  [[nodiscard]] const std::string& path() const { return path_; }

  std::span<const std::byte> take(std::uint64_t count, std::string_view what) {
    if (count > left())
      throw Error("{}: {} at byte {} has {} bytes, but the file ends {} bytes from there; {}", path_, what, position_,
                  count, left(), kDamageRemedy);
    const std::span<const std::byte> taken = bytes_.subspan(position_, static_cast<std::size_t>(count));
    position_ += static_cast<std::size_t>(count);
    return taken;
  }

  template <typename Number>
  Number number(std::string_view what) {
    Number number;
    std::memcpy(&number, take(sizeof(number), what).data(), sizeof(number));
    return number;
  }

  std::span<const std::byte> text(std::string_view what) { return take(number<std::uint64_t>(what), what); }

 private:
  std::string path_;
  std::span<const std::byte> bytes_;
  std::size_t position_ = 0;
};

struct GgufCounts {
  std::uint64_t tensors;
  std::uint64_t keys;
};

GgufCounts read_counts(GgufCursor& cursor) {
  const auto magic = cursor.take(kMagic.size(), "the magic \"GGUF\"");
  const std::string_view found(reinterpret_cast<const char*>(magic.data()), magic.size());
  if (found != kMagic)
    throw Error(
        "{}: begins with {}, expected \"GGUF\": it is no GGUF file, or one of before that format; convert the "
        "model anew",
        cursor.path(), quoted_gguf_name(found));
  const auto version = cursor.number<std::uint32_t>("the version");
  if ((version & 0xffffU) == 0)
    throw Error(
        "{}: version {:#x} is in the other byte order (big-endian), which is not read; convert the model anew "
        "for little-endian machines",
        cursor.path(), version);
  if (version != 2 && version != 3)
    throw Error("{}: is of GGUF version {}, expected 2 or 3; convert the model anew", cursor.path(), version);
  const auto tensors = cursor.number<std::uint64_t>("the count of tensors");
  const auto keys = cursor.number<std::uint64_t>("the count of keys");
  const std::uint64_t left = cursor.left();
  if (keys > left / kLeastKeyBytes || tensors > left / kLeastTensorBytes)
    throw Error("{}: is said to have {} keys and {} tensors, for which {} bytes are too few; {}", cursor.path(), keys,
                tensors, left, kDamageRemedy);
  return {tensors, keys};
}

std::string read_name(GgufCursor& cursor, std::string_view what, std::size_t longest) {
  const std::size_t begin = cursor.position();
  const auto bytes = cursor.text(what);
  const std::string_view name(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const bool is_plain = std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (name.empty() || name.size() > longest || !is_plain)
    throw Error("{}: {} at byte {} is {}, of {} bytes; expected 1 to {} printable ASCII characters; {}", cursor.path(),
                what, begin, quoted_gguf_name(name), name.size(), longest, kDamageRemedy);
  return std::string(name);
}

GgufValueType read_value_type(GgufCursor& cursor, const std::string& key) {
  const auto type = cursor.number<std::uint32_t>("the type of a value");
  if (type > static_cast<std::uint32_t>(GgufValueType::f64))
    throw Error("{}: {} has a value of type {}, expected 0 to 12; {}", cursor.path(), key, type, kDamageRemedy);
  return static_cast<GgufValueType>(type);
}

void require_booleans(const GgufCursor& cursor, const std::string& key, std::span<const std::byte> bytes) {
  for (const std::byte byte : bytes)
    if (std::to_integer<int>(byte) > 1)
      throw Error("{}: {} is a truth value of {}, expected 0 or 1; {}", cursor.path(), key, std::to_integer<int>(byte),
                  kDamageRemedy);
}

GgufValue read_array(GgufCursor& cursor, const std::string& key) {
  GgufValue value{read_value_type(cursor, key), /*is_array=*/true, 0, {}};
  if (value.type == GgufValueType::array)
    throw Error("{}: {} is a list of lists, expected a list of numbers or texts; {}", cursor.path(), key,
                kDamageRemedy);
  value.count = cursor.number<std::uint64_t>("the length of a list");
  const std::uint64_t least = value.type == GgufValueType::text ? sizeof(std::uint64_t) : size_of_value(value.type);
  if (value.count > cursor.left() / least)
    throw Error("{}: {} is said to have {} elements, for which {} bytes are too few; {}", cursor.path(), key,
                value.count, cursor.left(), kDamageRemedy);
  if (value.type != GgufValueType::text) {
    value.bytes = cursor.take(value.count * least, key);
    if (value.type == GgufValueType::boolean) require_booleans(cursor, key, value.bytes);
    return value;
  }
  GgufCursor elements = cursor;  // once to find the end
  for (std::uint64_t i = 0; i < value.count; ++i) elements.text(key);
  value.bytes = cursor.take(elements.position() - cursor.position(), key);
  return value;
}

GgufValue read_value(GgufCursor& cursor, const std::string& key) {
  GgufValue value{read_value_type(cursor, key), false, 1, {}};
  if (value.type == GgufValueType::array) return read_array(cursor, key);
  value.bytes = value.type == GgufValueType::text ? cursor.text(key) : cursor.take(size_of_value(value.type), key);
  if (value.type == GgufValueType::boolean) require_booleans(cursor, key, value.bytes);
  return value;
}

GgufMetadata read_metadata(GgufCursor& cursor, std::uint64_t keys) {
  std::map<std::string, GgufValue, std::less<>> values;
  for (std::uint64_t i = 0; i < keys; ++i) {
    const std::string key = read_name(cursor, "a key", kLongestKey);
    const auto [place, is_new] = values.emplace(key, read_value(cursor, key));
    if (!is_new) throw Error("{}: the key {} is there twice, expected it once; {}", cursor.path(), key, kDamageRemedy);
  }
  return {cursor.path(), std::move(values)};
}

/// A tensor of the list, and where its data begins behind the beginning of all data.
struct ListedTensor {
  GgufTensor tensor;
  std::uint64_t offset;
  std::uint64_t size;
};

ListedTensor read_listed_tensor(GgufCursor& cursor, std::uint64_t alignment) {
  ListedTensor listed{{read_name(cursor, "the name of a tensor", kLongestTensorName), GgmlType::f32, {}, {}}, 0, 0};
  const std::string where = fmt::format("{}: tensor {}", cursor.path(), quoted_gguf_name(listed.tensor.name));
  const auto dimensions = cursor.number<std::uint32_t>("the dimensions of a tensor");
  if (dimensions == 0 || dimensions > kMostGgufDimensions)
    throw Error("{}: has {} dimensions, expected 1 to {}; {}", where, dimensions, kMostGgufDimensions, kDamageRemedy);
  std::uint64_t elements = 1;
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    const auto extent = cursor.number<std::uint64_t>("the dimensions of a tensor");
    if (extent == 0 || !std::in_range<std::int64_t>(extent) || __builtin_mul_overflow(elements, extent, &elements) ||
        !std::in_range<std::int64_t>(elements))
      throw Error("{}: dimension {} is {}, expected one of 1 or more, and all together below 2^63; {}", where, i,
                  extent, kDamageRemedy);
    listed.tensor.shape.insert(listed.tensor.shape.begin(), static_cast<std::int64_t>(extent));
  }
  const auto number = cursor.number<std::uint32_t>("the type of a tensor");
  const GgmlTypeLayout* layout = find_layout(number);
  if (layout == nullptr)
    throw Error("{}: has type {}, which ggml does not have (any more); convert the model anew", where, number);
  listed.tensor.type = layout->type;
  const auto row = static_cast<std::uint64_t>(listed.tensor.shape.back());
  if (row % layout->block_elements != 0)
    throw Error("{}: has rows of {} elements, expected a multiple of {}, as {} has them; {}", where, row,
                layout->block_elements, layout->name, kDamageRemedy);
  listed.offset = cursor.number<std::uint64_t>("the place of a tensor");
  if (listed.offset % alignment != 0)
    throw Error("{}: begins at byte {} of the data, expected a multiple of {} (general.alignment); {}", where,
                listed.offset, alignment, kDamageRemedy);
  if (__builtin_mul_overflow(elements / layout->block_elements, std::uint64_t{layout->block_bytes}, &listed.size))
    throw Error("{}: has more bytes than can be counted in 64 bits; {}", where, kDamageRemedy);
  return listed;
}

std::uint64_t alignment_of(const GgufMetadata& metadata) {
  constexpr std::string_view kKey = "general.alignment";
  const auto stored = metadata.integer(kKey, 1, kLargestAlignment);
  const auto alignment = static_cast<std::uint64_t>(stored.value_or(kDefaultAlignment));
  if (!std::has_single_bit(alignment)) metadata.refuse(kKey, fmt::format("a power of two up to {}", kLargestAlignment));
  return alignment;
}

/// Two tensors in one place are a mistake of the writer, or of an offset.
void require_apart(std::vector<const ListedTensor*> listed, const std::string& path) {
  std::sort(listed.begin(), listed.end(),
            [](const ListedTensor* a, const ListedTensor* b) { return a->offset < b->offset; });
  for (std::size_t i = 1; i < listed.size(); ++i) {
    const ListedTensor& before = *listed[i - 1];
    if (listed[i]->offset < before.offset + before.size)
      throw Error("{}: tensor {} begins at byte {} of the data, where tensor {} has not ended (at {}); {}", path,
                  quoted_gguf_name(listed[i]->tensor.name), listed[i]->offset, quoted_gguf_name(before.tensor.name),
                  before.offset + before.size, kDamageRemedy);
  }
}

std::map<std::string, GgufTensor> read_tensors(GgufCursor& cursor, std::uint64_t count, std::uint64_t alignment,
                                               std::span<const std::byte> file) {
  std::vector<ListedTensor> listed;
  for (std::uint64_t i = 0; i < count; ++i) listed.push_back(read_listed_tensor(cursor, alignment));
  const std::uint64_t begin = (cursor.position() + alignment - 1) / alignment * alignment;
  const std::uint64_t data_bytes = begin < file.size() ? file.size() - begin : 0;
  std::vector<const ListedTensor*> places;
  std::map<std::string, GgufTensor> tensors;
  for (ListedTensor& tensor : listed) {
    if (tensor.offset > data_bytes || tensor.size > data_bytes - tensor.offset)
      throw Error("{}: tensor {} takes {} bytes from byte {} of the data on, but the file has {} bytes of data; {}",
                  cursor.path(), quoted_gguf_name(tensor.tensor.name), tensor.size, tensor.offset, data_bytes,
                  kDamageRemedy);
    tensor.tensor.bytes = file.subspan(begin + tensor.offset, tensor.size);
    places.push_back(&tensor);
  }
  require_apart(std::move(places), cursor.path());
  for (ListedTensor& tensor : listed)
    if (const std::string name = tensor.tensor.name; !tensors.emplace(name, std::move(tensor.tensor)).second)
      throw Error("{}: tensor {} is there twice, expected it once; {}", cursor.path(), quoted_gguf_name(name),
                  kDamageRemedy);
  return tensors;
}

/// "model-00001-of-00003.gguf": the part, counted from 1, and how many there are.
struct PartNumbers {
  std::string stem;  ///< "model"
  long part;
  long count;
};

std::optional<PartNumbers> part_numbers(const fs::path& path) {
  const std::string name = path.filename().string();
  constexpr std::string_view kForm = "-00001-of-00003.gguf";
  if (name.size() < kForm.size()) return std::nullopt;
  const std::string_view end = std::string_view(name).substr(name.size() - kForm.size());
  for (std::size_t i = 0; i < kForm.size(); ++i) {
    const bool is_digit = end[i] >= '0' && end[i] <= '9';
    const bool wants_digit = kForm[i] >= '0' && kForm[i] <= '9';
    if (wants_digit ? !is_digit : end[i] != kForm[i]) return std::nullopt;
  }
  return PartNumbers{name.substr(0, name.size() - kForm.size()), std::stol(std::string(end.substr(1, 5))),
                     std::stol(std::string(end.substr(10, 5)))};
}

}  // namespace

GgufFile::GgufFile(const fs::path& path) : file_(path), metadata_(path, {}) {
  GgufCursor cursor(file_);
  const GgufCounts counts = read_counts(cursor);
  metadata_ = read_metadata(cursor, counts.keys);
  tensors_ = read_tensors(cursor, counts.tensors, alignment_of(metadata_), file_.bytes());
}

bool is_gguf_file(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return false;
  if (path.extension() == ".gguf") return true;
  std::ifstream file(path, std::ios::binary);
  std::string begin(kMagic.size(), '\0');
  return file.read(begin.data(), static_cast<std::streamsize>(begin.size())) && begin == kMagic;
}

std::vector<fs::path> gguf_parts(const fs::path& path) {
  const std::optional<PartNumbers> numbers = part_numbers(path);
  if (!numbers || numbers->count < 2) return {path};
  const auto part = [&](long number) {
    return path.parent_path() / fmt::format("{}-{:05}-of-{:05}.gguf", numbers->stem, number, numbers->count);
  };
  if (numbers->part != 1)
    throw Error("{}: is a part of a model that is split, expected the first; give {}", path.string(), part(1).string());
  std::vector<fs::path> parts;
  for (long number = 1; number <= numbers->count; ++number) parts.push_back(part(number));
  return parts;
}

std::vector<GgufFile> open_gguf_parts(const fs::path& path) {
  const std::vector<fs::path> parts = gguf_parts(path);
  std::vector<GgufFile> files;
  std::error_code ignored;
  for (const fs::path& part : parts) {
    if (parts.size() > 1 && !fs::exists(part, ignored))
      throw Error("{}: no such file, though the model is split into {} parts; download this part, too", part.string(),
                  parts.size());
    files.emplace_back(part);
    const auto count = static_cast<std::int64_t>(parts.size());
    const std::int64_t said = files.back().metadata().integer("split.count", 0, INT32_MAX).value_or(1);
    if (said > 1 && count == 1)
      throw Error("{}: is one of {} parts of a model; give the first by its own name, as in model-00001-of-{:05}.gguf",
                  part.string(), said, said);
    const auto number = static_cast<std::int64_t>(files.size()) - 1;
    if (count > 1 && (said != count || files.back().metadata().integer("split.no", 0, INT32_MAX) != number))
      throw Error(
          "{}: says to be part {} of {} (split.no, split.count), expected part {} of {}; the parts are not of "
          "one model: download them again",
          part.string(), files.back().metadata().shown("split.no"), said, number, count);
  }
  return files;
}

}  // namespace temper

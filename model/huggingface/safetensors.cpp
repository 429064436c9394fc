#include "model/huggingface/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "model/huggingface/json_object.h"

namespace temper {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian and is mapped as it lies");

using nlohmann::json;
namespace fs = std::filesystem;

constexpr std::size_t kLengthBytes = 8;
/// The limit of the reference implementation: it bounds what a hostile header can make a reader allocate.
constexpr std::uint64_t kLongestHeader = 100'000'000;
constexpr const char* kSafetensorsRemedy =
    "the file is damaged or was not written as safetensors: download or save it again";

struct TypeEntry {
  std::string_view name;
  StoredType type;
  std::size_t bytes;
};

constexpr std::array<TypeEntry, 10> kTypes = {{{"F64", StoredType::f64, 8},
                                               {"F32", StoredType::f32, 4},
                                               {"F16", StoredType::f16, 2},
                                               {"BF16", StoredType::bf16, 2},
                                               {"I64", StoredType::i64, 8},
                                               {"I32", StoredType::i32, 4},
                                               {"I16", StoredType::i16, 2},
                                               {"I8", StoredType::i8, 1},
                                               {"U8", StoredType::u8, 1},
                                               {"BOOL", StoredType::boolean, 1}}};

const TypeEntry& entry_of(StoredType type) {
  if (type == StoredType::gguf) throw Error("elements of a GGUF file's blocks have no size of their own");
  return *std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeEntry& entry) { return entry.type == type; });
}

/// One entry of the header while it is read; `where` opens its messages ("model.safetensors: tensor "x"").
struct Entry {
  std::string where;
  const json& fields;
  std::uint64_t data_bytes;
};

StoredType read_type(const Entry& entry) {
  const auto found = entry.fields.find("dtype");
  if (found == entry.fields.end() || !found->is_string())
    throw Error("{}: \"dtype\" is missing or no text, expected a name like \"F32\"; {}", entry.where,
                kSafetensorsRemedy);
  const auto& name = found->get_ref<const std::string&>();
  std::string known;
  for (const TypeEntry& type : kTypes) {
    if (type.name == name) return type.type;
    known += (known.empty() ? "" : ", ") + std::string(type.name);
  }
  throw Error("{}: has dtype {}, expected one of {}; save the model again in one of these types", entry.where,
              in_quotes(name), known);
}

std::vector<std::int64_t> read_shape(const Entry& entry) {
  const auto found = entry.fields.find("shape");
  if (found == entry.fields.end() || !found->is_array())
    throw Error("{}: \"shape\" is missing or no list, expected a list of extents; {}", entry.where, kSafetensorsRemedy);
  std::vector<std::int64_t> shape;
  for (const json& extent : *found) {
    const bool fits = extent.is_number_unsigned() && std::in_range<std::int64_t>(extent.get<std::uint64_t>());
    if (!fits)
      throw Error("{}: shape {} has the extent {}, expected whole numbers of 0 or more; {}", entry.where, shown(*found),
                  shown(extent), kSafetensorsRemedy);
    shape.push_back(extent.get<std::int64_t>());
  }
  return shape;
}

std::pair<std::uint64_t, std::uint64_t> read_offsets(const Entry& entry) {
  const auto found = entry.fields.find("data_offsets");
  const bool is_pair = found != entry.fields.end() && found->is_array() && found->size() == 2 &&
                       (*found)[0].is_number_unsigned() && (*found)[1].is_number_unsigned();
  if (!is_pair)
    throw Error("{}: \"data_offsets\" is {}, expected [begin, end] as two whole numbers; {}", entry.where,
                found == entry.fields.end() ? "missing" : shown(*found), kSafetensorsRemedy);
  const auto begin = (*found)[0].get<std::uint64_t>();
  const auto end = (*found)[1].get<std::uint64_t>();
  if (begin > end)
    throw Error("{}: data_offsets [{}, {}] are reversed, expected begin <= end; {}", entry.where, begin, end,
                kSafetensorsRemedy);
  if (end > entry.data_bytes)
    throw Error(
        "{}: data_offsets [{}, {}] reach beyond the {} bytes of data in the file; the file is truncated or "
        "damaged: download or save it again",
        entry.where, begin, end, entry.data_bytes);
  return {begin, end};
}

TensorView read_tensor(const std::string& name, const Entry& entry, const fs::path& path,
                       std::span<const std::byte> data) {
  if (!entry.fields.is_object())
    throw Error("{}: the header has {}, expected an object with dtype, shape and data_offsets; {}", entry.where,
                shown(entry.fields), kSafetensorsRemedy);
  TensorView tensor{name, read_type(entry), read_shape(entry), {}, path.string()};
  const auto [begin, end] = read_offsets(entry);
  const auto count = element_count(tensor.shape);
  const std::uint64_t width = size_in_bytes(tensor.type);
  if (!count.has_value())
    throw Error("{}: shape {} has more elements than can be counted in 63 bits; {}", entry.where,
                shown(entry.fields["shape"]), kSafetensorsRemedy);
  // Compared by division: count * width may overflow.
  if ((end - begin) % width != 0 || (end - begin) / width != static_cast<std::uint64_t>(*count))
    throw Error("{}: data_offsets [{}, {}] hold {} bytes, expected {} elements of {} bytes for shape {} of {}; {}",
                entry.where, begin, end, end - begin, *count, width, shown(entry.fields["shape"]), name_of(tensor.type),
                kSafetensorsRemedy);
  tensor.bytes = data.subspan(begin, end - begin);
  return tensor;
}

/// Tensors must cover the data once each and whole.
void check_tiling(const std::map<std::string, TensorView>& tensors, std::span<const std::byte> data,
                  const fs::path& path) {
  std::vector<const TensorView*> ordered;
  ordered.reserve(tensors.size());
  for (const auto& [name, tensor] : tensors) ordered.push_back(&tensor);
  const auto begin_of = [&](const TensorView* tensor) { return tensor->bytes.data() - data.data(); };
  std::sort(ordered.begin(), ordered.end(), [&](const TensorView* a, const TensorView* b) {
    return std::pair(begin_of(a), a->bytes.size()) < std::pair(begin_of(b), b->bytes.size());
  });
  std::ptrdiff_t covered = 0;
  const TensorView* previous = nullptr;
  for (const TensorView* tensor : ordered) {
    const std::ptrdiff_t begin = begin_of(tensor);
    if (begin < covered)
      throw Error(
          "{}: tensor {} begins at byte {} of the data and overlaps tensor {}, which ends at {}; expected "
          "tensors that do not overlap; {}",
          path.string(), in_quotes(tensor->name), begin, in_quotes(previous->name), covered, kSafetensorsRemedy);
    if (begin > covered)
      throw Error("{}: tensor {} begins at byte {} of the data, expected {}: the format allows no hole before it; {}",
                  path.string(), in_quotes(tensor->name), begin, covered, kSafetensorsRemedy);
    covered += static_cast<std::ptrdiff_t>(tensor->bytes.size());
    previous = tensor;
  }
  if (static_cast<std::size_t>(covered) != data.size())
    throw Error(
        "{}: the tensors end at byte {} of the data, but the file has {} bytes of data; expected none left "
        "over; {}",
        path.string(), covered, data.size(), kSafetensorsRemedy);
}

MappedFile map_weights(const fs::path& path) {
  std::error_code ignored;
  const fs::file_status status = fs::status(path, ignored);
  if (status.type() == fs::file_type::not_found)
    throw Error("{}: no such file, expected a safetensors file; check the path, or download the model again",
                path.string());
  if (fs::is_directory(status))
    throw Error("{}: is a directory, expected a safetensors file; name the file in it", path.string());
  if (fs::is_regular_file(status) && fs::file_size(path, ignored) == 0)
    throw Error("{}: the file is empty, expected a safetensors file; download or save it again", path.string());
  return MappedFile(path);
}

std::string_view header_text(std::span<const std::byte> bytes, const fs::path& path) {
  if (bytes.size() < kLengthBytes)
    throw Error("{}: has {} bytes, expected at least {} for the length of the header; {}", path.string(), bytes.size(),
                kLengthBytes, kSafetensorsRemedy);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > kLongestHeader)
    throw Error("{}: the header is said to have {} bytes, expected at most {}; {}", path.string(), length,
                kLongestHeader, kSafetensorsRemedy);
  if (length > bytes.size() - kLengthBytes)
    throw Error(
        "{}: the header is said to have {} bytes, but only {} follow; the file is truncated or damaged: "
        "download or save it again",
        path.string(), length, bytes.size() - kLengthBytes);
  return {reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, static_cast<std::size_t>(length)};
}

}  // namespace

std::size_t size_in_bytes(StoredType type) { return entry_of(type).bytes; }

std::string_view name_of(StoredType type) { return entry_of(type).name; }

std::string_view type_name(const TensorView& tensor) {
  return tensor.type == StoredType::gguf ? layout_of(tensor.gguf.type).name : name_of(tensor.type);
}

std::optional<std::int64_t> element_count(std::span<const std::int64_t> shape) {
  std::int64_t count = 1;
  bool overflow = false;
  for (const std::int64_t extent : shape) {
    if (extent < 0) return std::nullopt;
    // The product of the others counts even where one extent is zero: order must not matter.
    if (extent != 0) overflow = __builtin_mul_overflow(count, extent, &count) || overflow;
  }
  if (overflow) return std::nullopt;
  return std::find(shape.begin(), shape.end(), 0) == shape.end() ? count : 0;
}

SafetensorsFile::SafetensorsFile(const fs::path& path) : file_(map_weights(path)) {
  const std::span<const std::byte> bytes = file_.bytes();
  const std::string_view text = header_text(bytes, path);
  const std::span<const std::byte> data = bytes.subspan(kLengthBytes + text.size());
  const json header = parse_strict_object(text, path.string() + ": the header", kSafetensorsRemedy);
  for (const auto& [name, fields] : header.items()) {
    if (name != "__metadata__") {
      const Entry entry{fmt::format("{}: tensor {}", path.string(), in_quotes(name)), fields, data.size()};
      tensors_.emplace(name, read_tensor(name, entry, path, data));
      continue;
    }
    if (!fields.is_object())
      throw Error("{}: __metadata__ is {}, expected an object of texts; {}", path.string(), shown(fields),
                  kSafetensorsRemedy);
    for (const auto& [key, value] : fields.items()) {
      if (!value.is_string())
        throw Error("{}: __metadata__ {} is {}, expected a text; {}", path.string(), in_quotes(key), shown(value),
                    kSafetensorsRemedy);
      metadata_.emplace(key, value.get<std::string>());
    }
  }
  check_tiling(tensors_, data, path);
}

}  // namespace temper

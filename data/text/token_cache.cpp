// An entry is an HDF5 file with a user block of 512 bytes before it, which HDF5 tools skip. The block holds the key and
// the checksum of all that follows, so damage is found before the HDF5 library, which trusts its files, parses them.
// The file is made in memory: the library cannot close a file that a full disk keeps it from flushing.
#include "data/text/token_cache.h"

#include <hdf5.h>
#include <unistd.h>

#include <random>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/error.h"
#include "base/hdf5_handle.h"
#include "base/mapped_file.h"

namespace temper {
namespace {

/// To be raised whenever the same input gives other tokens or another file.
constexpr int kFormatVersion = 2;
constexpr std::size_t kUserBlock = 512;  // the smallest that HDF5 knows
constexpr std::size_t kFileOverhead = std::size_t{1} << 16;

hid_t hdf5_type(const std::vector<std::int32_t>& /*values*/) { return H5T_NATIVE_INT32; }
hid_t hdf5_type(const std::vector<std::int64_t>& /*values*/) { return H5T_NATIVE_INT64; }
hid_t hdf5_type(const std::vector<float>& /*values*/) { return H5T_NATIVE_FLOAT; }

template <typename T>
void write_array(hid_t file, const std::filesystem::path& path, const char* name, const std::vector<T>& values) {
  const hsize_t size = values.size();
  const Hdf5Handle space(H5Screate_simple(1, &size, nullptr), H5Sclose, path, "make a space");
  const Hdf5Handle array(H5Dcreate2(file, name, hdf5_type(values), space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                         H5Dclose, path, "make an array");
  if (!values.empty())
    require_hdf5(H5Dwrite(array, hdf5_type(values), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), path,
                 "write an array");
}

template <typename T>
void read_array(hid_t file, const std::filesystem::path& path, const char* name, std::vector<T>& values) {
  const Hdf5Handle array(H5Dopen2(file, name, H5P_DEFAULT), H5Dclose, path, "find an array");
  const Hdf5Handle space(H5Dget_space(array), H5Sclose, path, "read an array's shape");
  if (H5Sget_simple_extent_ndims(space) != 1)
    throw Error("{}: the array {} has not one dimension", path.string(), name);
  hsize_t size = 0;
  require_hdf5(H5Sget_simple_extent_dims(space, &size, nullptr), path, "read an array's shape");
  values.resize(static_cast<std::size_t>(size));
  if (!values.empty())
    require_hdf5(H5Dread(array, hdf5_type(values), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), path,
                 "read an array");
}

/// Calls `use(name, array)` for each array of a dataset.
template <typename AnyDataset, typename Use>
void for_each_array(AnyDataset& dataset, Use use) {
  use("ids", dataset.ids);
  use("types", dataset.types);
  use("starts", dataset.starts);
  use("classes", dataset.classes);
  use("targets", dataset.targets);
}

std::string user_block(const std::string& key, std::span<const std::byte> content) {
  std::string block = fmt::format("temper token cache {}\nkey {}\nxxh3 {:016x}\n", kFormatVersion, key, xxh3(content));
  block.resize(kUserBlock);
  return block;
}

/// The whole file of a dataset, user block included.
std::string file_of(const std::string& key, const Dataset& dataset) {
  std::size_t size = kFileOverhead;
  for_each_array(dataset, [&](const char*, const auto& values) { size += std::as_bytes(std::span(values)).size(); });
  const std::filesystem::path name = key;
  const Hdf5Handle access = hdf5_access(name);
  require_hdf5(H5Pset_fapl_core(access, size, /*backing_store=*/false), name, "keep a file in memory");
  const Hdf5Handle file(H5Fcreate(key.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access), H5Fclose, name, "make the file");
  for_each_array(dataset, [&](const char* array, const auto& values) { write_array(file, name, array, values); });
  write_array(file, name, "target_width", std::vector<std::int32_t>{dataset.target_width});
  require_hdf5(H5Fflush(file, H5F_SCOPE_GLOBAL), name, "flush the file");
  const ssize_t bytes = H5Fget_file_image(file, nullptr, 0);
  require_hdf5(bytes < 0 ? -1 : 0, name, "tell the file's size");
  std::string whole(kUserBlock + static_cast<std::size_t>(bytes), '\0');
  const ssize_t copied = H5Fget_file_image(file, whole.data() + kUserBlock, static_cast<std::size_t>(bytes));
  require_hdf5(copied < 0 ? -1 : 0, name, "copy the file");
  const auto content = std::as_bytes(std::span(whole)).subspan(kUserBlock);
  whole.replace(0, kUserBlock, user_block(key, content));
  return whole;
}

Dataset read_file(const std::filesystem::path& path) {
  const Hdf5Handle file = open_hdf5(path);
  Dataset dataset;
  for_each_array(dataset, [&](const char* name, auto& values) { read_array(file, path, name, values); });
  std::vector<std::int32_t> target_width;
  read_array(file, path, "target_width", target_width);
  if (target_width.size() != 1) throw Error("{}: target_width is not one number", path.string());
  dataset.target_width = target_width.front();
  require_consistent(dataset, path.string());
  return dataset;
}

std::filesystem::path entry_path(const std::filesystem::path& folder, const std::string& key) {
  return folder / (key + ".h5");
}

/// SHA-256 of any amount of text, a piece of bounded size at a time. Each text's length is part of it, so no two rows
/// of texts look alike.
class TextDigest {
 public:
  void add(std::string_view text) {
    piece_ += std::to_string(text.size());
    piece_ += ':';
    piece_ += text;
    if (piece_.size() >= kPiece) close_piece();
  }
  std::string hex() {
    close_piece();
    return sha256_hex(digests_);
  }

 private:
  static constexpr std::size_t kPiece = std::size_t{1} << 20;
  void close_piece() {
    digests_ += sha256_hex(piece_);
    piece_.clear();
  }
  std::string piece_;
  std::string digests_;
};

}  // namespace

std::string token_cache_key(const Table& table, const ColumnChoice& columns, const Tokenizer& tokenizer,
                            const LabelSet& labels, const TokenizeOptions& options) {
  TextDigest digest;
  for (const std::int64_t number : {std::int64_t{kFormatVersion}, static_cast<std::int64_t>(options.max_length),
                                    static_cast<std::int64_t>(options.kind), static_cast<std::int64_t>(labels.size())})
    digest.add(std::to_string(number));
  digest.add(tokenizer.digest());
  for (const std::string& name : labels.names()) digest.add(name);
  std::vector<std::size_t> used;
  for (const std::string* column : {&columns.text, &columns.text_pair, &columns.label}) {
    digest.add(column->empty() ? "absent" : "used");
    if (!column->empty()) used.push_back(column_index(table, *column));
  }
  digest.add(std::to_string(columns.indicators.size()));
  for (const std::string& column : columns.indicators) {
    digest.add(column);
    used.push_back(column_index(table, column));
  }
  for (const std::vector<std::string>& row : table.rows)
    for (const std::size_t column : used) digest.add(row[column]);
  return digest.hex();
}

std::optional<Dataset> load_cached(const std::filesystem::path& folder, const std::string& key) {
  const std::filesystem::path path = entry_path(folder, key);
  try {
    {
      const MappedFile file(path);
      if (file.bytes().size() <= kUserBlock) return std::nullopt;
      if (file.text().substr(0, kUserBlock) != user_block(key, file.bytes().subspan(kUserBlock))) return std::nullopt;
    }
    silence_hdf5();
    return read_file(path);
  } catch (const Error&) {
    return std::nullopt;
  }
}

void store_cached(const std::filesystem::path& folder, const std::string& key, const Dataset& dataset) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw Error("{}: the folder cannot be made: {}", folder.string(), error.message());
  silence_hdf5();
  const std::string content = file_of(key, dataset);
  // A name of its own, because another run may be writing the same entry.
  const std::filesystem::path own =
      folder / fmt::format("{}.{}-{:08x}", key.substr(0, 16), ::getpid(), std::random_device()());
  write_file_atomically(own, content);
  std::filesystem::rename(own, entry_path(folder, key), error);
  if (!error) return;
  std::error_code ignored;
  std::filesystem::remove(own, ignored);
  throw Error("{}: cannot be renamed into place: {}", entry_path(folder, key).string(), error.message());
}

}  // namespace temper

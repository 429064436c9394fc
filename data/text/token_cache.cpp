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

/// Keeps the library from printing its errors while it lives: they become exceptions.
class SilentErrors {
 public:
  SilentErrors() {
    H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~SilentErrors() { H5Eset_auto2(H5E_DEFAULT, function_, data_); }
  SilentErrors(const SilentErrors&) = delete;
  SilentErrors& operator=(const SilentErrors&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

/// Gives back what an HDF5 call returned; throws Error if it tells of a failure.
template <typename Status>
Status checked(Status status, const char* action) {
  if (status < 0) throw Error("HDF5 {} failed", action);
  return status;
}

/// An open HDF5 object; closed at the end of its scope.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t), const char* action) : id_(checked(id, action)), close_(close) {}
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  operator hid_t() const { return id_; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

hid_t hdf5_type(const std::vector<std::int32_t>& /*values*/) { return H5T_NATIVE_INT32; }
hid_t hdf5_type(const std::vector<std::int64_t>& /*values*/) { return H5T_NATIVE_INT64; }
hid_t hdf5_type(const std::vector<float>& /*values*/) { return H5T_NATIVE_FLOAT; }

template <typename T>
void write_array(hid_t file, const char* name, const std::vector<T>& values) {
  const hsize_t size = values.size();
  const Handle space(H5Screate_simple(1, &size, nullptr), H5Sclose, "H5Screate_simple");
  const Handle array(H5Dcreate2(file, name, hdf5_type(values), space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Dclose,
                     "H5Dcreate2");
  if (!values.empty())
    checked(H5Dwrite(array, hdf5_type(values), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), "H5Dwrite");
}

template <typename T>
void read_array(hid_t file, const char* name, std::vector<T>& values) {
  const Handle array(H5Dopen2(file, name, H5P_DEFAULT), H5Dclose, "H5Dopen2");
  const Handle space(H5Dget_space(array), H5Sclose, "H5Dget_space");
  if (checked(H5Sget_simple_extent_ndims(space), "H5Sget_simple_extent_ndims") != 1)
    throw Error("the array {} has not one dimension", name);
  hsize_t size = 0;
  checked(H5Sget_simple_extent_dims(space, &size, nullptr), "H5Sget_simple_extent_dims");
  values.resize(static_cast<std::size_t>(size));
  if (!values.empty())
    checked(H5Dread(array, hdf5_type(values), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), "H5Dread");
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
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "H5Pcreate");
  checked(H5Pset_fapl_core(access, size, /*backing_store=*/false), "H5Pset_fapl_core");
  const Handle file(H5Fcreate(key.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access), H5Fclose, "H5Fcreate");
  for_each_array(dataset, [&](const char* name, const auto& values) { write_array(file, name, values); });
  write_array(file, "target_width", std::vector<std::int32_t>{dataset.target_width});
  checked(H5Fflush(file, H5F_SCOPE_GLOBAL), "H5Fflush");
  const ssize_t bytes = checked(H5Fget_file_image(file, nullptr, 0), "H5Fget_file_image");
  std::string whole(kUserBlock + static_cast<std::size_t>(bytes), '\0');
  checked(H5Fget_file_image(file, whole.data() + kUserBlock, static_cast<std::size_t>(bytes)), "H5Fget_file_image");
  const auto content = std::as_bytes(std::span(whole)).subspan(kUserBlock);
  whole.replace(0, kUserBlock, user_block(key, content));
  return whole;
}

Dataset read_file(const std::filesystem::path& path) {
  const Hdf5Handle file = open_hdf5(path);
  Dataset dataset;
  for_each_array(dataset, [&](const char* name, auto& values) { read_array(file, name, values); });
  std::vector<std::int32_t> target_width;
  read_array(file, "target_width", target_width);
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
    const SilentErrors silent;
    return read_file(path);
  } catch (const Error&) {
    return std::nullopt;
  }
}

void store_cached(const std::filesystem::path& folder, const std::string& key, const Dataset& dataset) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw Error("{}: the folder cannot be made: {}", folder.string(), error.message());
  std::string content;
  {
    const SilentErrors silent;
    content = file_of(key, dataset);
  }
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

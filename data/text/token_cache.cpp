// A file has a user block of 512 bytes in front, which HDF5 tools skip. The block holds the key and the checksum of all
// that follows, so damage is found before the HDF5 library, which trusts its files, parses them.
#include "data/text/token_cache.h"

#include <fcntl.h>
#include <hdf5.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/error.h"
#include "base/hdf5_handle.h"
#include "base/mapped_file.h"
#include "base/positioned_file.h"
#include "data/chat/chat_encoder.h"

namespace temper {
namespace {

/// To be raised whenever the same input gives other tokens or another file.
constexpr int kFormatVersion = 5;
constexpr std::size_t kUserBlock = 512;  // the smallest that HDF5 knows

constexpr const char* kTargetWidth = "target_width";

std::string user_block(const std::string& key, std::uint64_t checksum) {
  std::string block = fmt::format("temper token cache {}\nkey {}\nxxh3 {:016x}\n", kFormatVersion, key, checksum);
  block.resize(kUserBlock);
  return block;
}

/// Of all behind the user block. The pages leave this process as they are read.
std::uint64_t checksum_of(const MappedFile& file) {
  Xxh3 checksum;
  constexpr std::size_t kPiece = std::size_t{4} << 20;
  const std::span<const std::byte> bytes = file.bytes();
  for (std::size_t first = 0; first < bytes.size(); first += kPiece) {
    const std::span<const std::byte> piece = bytes.subspan(first, std::min(kPiece, bytes.size() - first));
    checksum.add(first == 0 ? piece.subspan(std::min(kUserBlock, piece.size())) : piece);
    file.forget_pages(piece);
  }
  return checksum.value();
}

/// The types of H5T_... are variables that HDF5 sets when it starts.
struct Array {
  const char* name;
  hid_t type;
  std::int64_t count;
  std::uint64_t& place;
};

std::vector<Array> arrays_of(TokenLayout& layout) {
  return {{"starts", H5T_STD_I64LE, layout.rows + 1, layout.starts_at},
          {"ids", H5T_STD_I32LE, layout.tokens, layout.ids_at},
          {"types", H5T_STD_I32LE, layout.types(), layout.types_at},
          {"classes", H5T_STD_I32LE, layout.classes, layout.classes_at},
          {"weights", H5T_IEEE_F32LE, layout.weights(), layout.weights_at},
          {"targets", H5T_IEEE_F32LE, layout.targets(), layout.targets_at}};
}

/// What is empty has no place in the file, and needs none.
std::uint64_t place_of(hid_t data, std::int64_t count, const std::filesystem::path& file) {
  if (count == 0) return 0;
  const haddr_t offset = H5Dget_offset(data);
  if (offset == HADDR_UNDEF) throw Error("{}: HDF5 gave an array no place", file.string());
  return offset;
}

void add_array(hid_t out, const Array& array, const std::filesystem::path& file) {
  const Hdf5Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, file, "make a property list");
  require_hdf5(H5Pset_layout(creation, H5D_CONTIGUOUS), file, "set the layout");
  require_hdf5(H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY), file, "set the time of allocation");
  require_hdf5(H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER), file, "set the time of filling");
  const auto size = static_cast<hsize_t>(array.count);
  const Hdf5Handle space(H5Screate_simple(1, &size, nullptr), H5Sclose, file, "make a data space");
  const Hdf5Handle data(H5Dcreate2(out, array.name, array.type, space, H5P_DEFAULT, creation, H5P_DEFAULT), H5Dclose,
                        file, "make an array");
  array.place = place_of(data, array.count, file);
}

std::int64_t size_of(hid_t in, const char* name, const std::filesystem::path& file) {
  const Hdf5Handle data(H5Dopen2(in, name, H5P_DEFAULT), H5Dclose, file, "open an array");
  const Hdf5Handle space(H5Dget_space(data), H5Sclose, file, "read the extents of an array");
  hsize_t size = 0;
  if (H5Sget_simple_extent_ndims(space) != 1 || H5Sget_simple_extent_dims(space, &size, nullptr) < 0)
    throw Error("{}: '{}' has another form", file.string(), name);
  return static_cast<std::int64_t>(size);
}

TokenLayout read_layout(const std::filesystem::path& file, std::uint64_t bytes) {
  silence_hdf5();
  const Hdf5Handle in = open_hdf5(file);
  TokenLayout layout;
  layout.rows = size_of(in, "starts", file) - 1;
  layout.tokens = size_of(in, "ids", file);
  layout.has_types = size_of(in, "types", file) > 0;
  layout.has_weights = size_of(in, "weights", file) > 0;
  layout.classes = size_of(in, "classes", file);
  const Hdf5Handle width(H5Aopen(in, kTargetWidth, H5P_DEFAULT), H5Aclose, file, "find an attribute");
  require_hdf5(H5Aread(width, H5T_NATIVE_INT32, &layout.target_width), file, "read an attribute");
  for (const Array& array : arrays_of(layout)) {
    const Hdf5Handle data(H5Dopen2(in, array.name, H5P_DEFAULT), H5Dclose, file, "open an array");
    const Hdf5Handle type(H5Dget_type(data), H5Tclose, file, "read the type of an array");
    array.place = place_of(data, array.count, file);
    const std::uint64_t end = array.place + static_cast<std::uint64_t>(array.count) * H5Tget_size(type);
    if (size_of(in, array.name, file) != array.count || H5Tequal(type, array.type) <= 0 || end > bytes)
      throw Error("{}: '{}' has another form", file.string(), array.name);
  }
  return layout;
}

/// Makes the file, or makes it empty.
void make_empty(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) throw Error("{}: cannot be created: {}", file.string(), std::strerror(errno));
  ::close(descriptor);
}

void require_room(const std::filesystem::path& file, std::uint64_t bytes) {
  const PositionedFile out(file, PositionedFile::Mode::write);
  if (const std::string refusal = take_room(out.descriptor(), bytes); !refusal.empty())
    throw Error("{}: cannot be written: {}", file.string(), refusal);
}

}  // namespace

void TextDigest::add(std::string_view text) {
  piece_ += std::to_string(text.size());
  piece_ += ':';
  piece_ += text;
  if (piece_.size() < kPiece) return;
  digests_ += sha256_hex(piece_);
  piece_.clear();
  if (digests_.size() >= kPiece) digests_ = sha256_hex(digests_);
}

std::string TextDigest::hex() const { return sha256_hex(digests_ + sha256_hex(piece_)); }

TokenCacheKey::TokenCacheKey(const Table& head, const ColumnChoice& columns) {
  for (const std::string* column : {&columns.text, &columns.text_pair, &columns.label}) {
    rows_.add(column->empty() ? "absent" : "used");
    if (!column->empty()) used_.push_back(column_index(head, *column));
  }
  rows_.add(std::to_string(columns.indicators.size()));
  for (const std::string& column : columns.indicators) {
    rows_.add(column);
    used_.push_back(column_index(head, column));
  }
}

void TokenCacheKey::look_at(const Table& chunk) {
  for (const std::vector<std::string>& row : chunk.rows)
    for (const std::size_t column : used_) rows_.add(row[column]);
}

std::string TokenCacheKey::key(const Tokenizer& tokenizer, const LabelSet& labels,
                               const TokenizeOptions& options) const {
  TextDigest digest;
  for (const std::int64_t number :
       {std::int64_t{kFormatVersion}, static_cast<std::int64_t>(options.max_length),
        static_cast<std::int64_t>(options.kind), static_cast<std::int64_t>(labels.size()),
        static_cast<std::int64_t>(options.long_documents), static_cast<std::int64_t>(options.end_token)})
    digest.add(std::to_string(number));
  digest.add(tokenizer.digest());
  if (options.chat != nullptr) digest.add(options.chat->identity());
  for (const std::string& name : labels.names()) digest.add(name);
  digest.add(rows_.hex());
  return digest.hex();
}

std::filesystem::path token_file_path(const std::filesystem::path& folder, const std::string& key) {
  return folder / (key + ".h5");
}

std::optional<TokenLayout> find_token_file(const std::filesystem::path& file, const std::string& key) {
  try {
    const MappedFile content(file);
    if (content.bytes().size() <= kUserBlock) return std::nullopt;
    // What is foreign need not be read to its end.
    const std::string_view block = content.text().substr(0, kUserBlock);
    const std::string_view begin = std::string_view(block).substr(0, block.find("xxh3 "));
    if (!user_block(key, 0).starts_with(begin)) return std::nullopt;
    if (block != user_block(key, checksum_of(content))) return std::nullopt;
    const TokenLayout layout = read_layout(file, content.bytes().size());
    require_consistent(TokenStore(MappedFile(file), layout), file.string());
    return layout;
  } catch (const Error&) {
    return std::nullopt;
  }
}

TokenLayout create_token_file(const std::filesystem::path& file, const TokenLayout& sizes) {
  silence_hdf5();
  TokenLayout layout = sizes;
  const std::uint64_t bytes = place_in_memory(layout);
  try {
    // HDF5 does not recover from a disk that fills up under it, so it begins only where there is room.
    constexpr std::uint64_t kStructures = 1 << 16;
    make_empty(file);
    require_room(file, bytes + kStructures);
    const Hdf5Handle access = hdf5_access(file);
    require_hdf5(H5Pset_alignment(access, 1, 64), file, "set the alignment");
    const Hdf5Handle creation(H5Pcreate(H5P_FILE_CREATE), H5Pclose, file, "make a property list");
    require_hdf5(H5Pset_userblock(creation, kUserBlock), file, "leave room for the key");
    Hdf5Handle out(H5Fcreate(file.c_str(), H5F_ACC_TRUNC, creation, access), H5Fclose, file, "make the file");
    {
      const Hdf5Handle scalar(H5Screate(H5S_SCALAR), H5Sclose, file, "make a data space");
      const Hdf5Handle width(H5Acreate2(out, kTargetWidth, H5T_STD_I32LE, scalar, H5P_DEFAULT, H5P_DEFAULT), H5Aclose,
                             file, "make an attribute");
      require_hdf5(H5Awrite(width, H5T_NATIVE_INT32, &layout.target_width), file, "write an attribute");
    }
    for (const Array& array : arrays_of(layout)) add_array(out, array, file);
    if (!out.close()) throw Error("{}: HDF5 cannot close the file; is the disk full?", file.string());
    // It has cut the file down before it laid it out.
    require_room(file, std::filesystem::file_size(file));
    return layout;
  } catch (...) {
    ::unlink(file.c_str());
    throw;
  }
}

void complete_token_file(const std::filesystem::path& file, const std::string& key) {
  const std::string block = user_block(key, checksum_of(MappedFile(file)));
  PositionedFile out(file, PositionedFile::Mode::write);
  write_at(out.descriptor(), 0, std::as_bytes(std::span(block)), file);
  out.close_durably();
}

}  // namespace temper

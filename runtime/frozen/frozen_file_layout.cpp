#include "runtime/frozen/frozen_file_layout.h"

#include <fcntl.h>
#include <hdf5.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/hdf5_handle.h"
#include "base/positioned_file.h"

namespace temper {
namespace {

constexpr const char* kRows = "hidden";
constexpr const char* kChecksums = "checksums";
constexpr const char* kContent = "content";

/// The types of H5T_... are variables that HDF5 sets when it starts.
hid_t stored_type(DType type) { return type == DType::f32 ? H5T_IEEE_F32LE : H5T_STD_U16LE; }

std::uint64_t place_of(hid_t data, const std::filesystem::path& file) {
  const haddr_t offset = H5Dget_offset(data);
  if (offset == HADDR_UNDEF) throw Error("{}: HDF5 gave an array no place", file.string());
  return offset;
}

std::uint64_t add_array(hid_t out, const char* name, hid_t type, const std::vector<hsize_t>& extents,
                        const std::filesystem::path& file) {
  const Hdf5Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, file, "make a property list");
  require_hdf5(H5Pset_layout(creation, H5D_CONTIGUOUS), file, "set the layout");
  require_hdf5(H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY), file, "set the time of allocation");
  require_hdf5(H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER), file, "set the time of filling");
  const Hdf5Handle space(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), H5Sclose, file,
                         "make a data space");
  const Hdf5Handle data(H5Dcreate2(out, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT), H5Dclose, file,
                        "make an array");
  return place_of(data, file);
}

std::uint64_t find_array(hid_t in, const char* name, hid_t type, const std::vector<hsize_t>& extents,
                         const std::filesystem::path& file) {
  const Hdf5Handle data(H5Dopen2(in, name, H5P_DEFAULT), H5Dclose, file, "open an array");
  const Hdf5Handle found_type(H5Dget_type(data), H5Tclose, file, "read the type of an array");
  const Hdf5Handle space(H5Dget_space(data), H5Sclose, file, "read the extents of an array");
  std::vector<hsize_t> found(extents.size());
  const bool same_rank = H5Sget_simple_extent_ndims(space) == static_cast<int>(extents.size());
  if (!same_rank || H5Sget_simple_extent_dims(space, found.data(), nullptr) < 0 || found != extents ||
      H5Tequal(found_type, type) <= 0)
    throw Error("{}: '{}' has another form", file.string(), name);
  return place_of(data, file);
}

std::vector<hsize_t> extents_of_rows(const FrozenLayout& layout) {
  return {static_cast<hsize_t>(layout.rows()), static_cast<hsize_t>(layout.width)};
}
std::vector<hsize_t> extents_of_checksums(const FrozenLayout& layout) {
  return {static_cast<hsize_t>(layout.blocks())};
}

/// The file must be there. Throws Error.
void require_room(const std::filesystem::path& file, std::uint64_t bytes) {
  const PositionedFile out(file, PositionedFile::Mode::write);
  if (const std::string refusal = take_room(out.descriptor(), bytes); !refusal.empty())
    throw Error("{}: the frozen layers' output needs {} MiB: {}; make room there, or set run.cache_dir to another disk",
                file.parent_path().string(), (bytes >> 20) + 1, refusal);
}

void make_empty(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) throw Error("{}: cannot be created: {}", file.string(), std::strerror(errno));
  ::close(descriptor);
}

}  // namespace

FrozenFilePlaces create_frozen_file(const std::filesystem::path& file, const FrozenLayout& layout,
                                    const std::string& content_key) {
  silence_hdf5();
  try {
    // HDF5 does not recover from a disk that fills up under it, so it begins only where there is room.
    constexpr std::uint64_t kStructures = 1 << 20;
    make_empty(file);
    require_room(file, static_cast<std::uint64_t>(layout.bytes()) + kStructures);
    FrozenFilePlaces places;
    const Hdf5Handle access = hdf5_access(file);
    require_hdf5(H5Pset_alignment(access, 65536, 4096), file, "set the alignment");
    Hdf5Handle out = create_hdf5(file, access);
    const Hdf5Handle type(H5Tcopy(H5T_C_S1), H5Tclose, file, "make a text type");
    require_hdf5(H5Tset_size(type, content_key.size() + 1), file, "size a text");
    {
      const Hdf5Handle scalar(H5Screate(H5S_SCALAR), H5Sclose, file, "make a data space");
      const Hdf5Handle content(H5Acreate2(out, kContent, type, scalar, H5P_DEFAULT, H5P_DEFAULT), H5Aclose, file,
                               "make an attribute");
      require_hdf5(H5Awrite(content, type, content_key.c_str()), file, "write an attribute");
    }
    places.checksums = add_array(out, kChecksums, H5T_STD_U64LE, extents_of_checksums(layout), file);
    places.rows = add_array(out, kRows, stored_type(layout.type), extents_of_rows(layout), file);
    if (!out.close()) throw Error("{}: HDF5 cannot close the file; is the disk full?", file.string());
    // It has cut the file down before it laid it out.
    require_room(file, std::filesystem::file_size(file));
    return places;
  } catch (...) {
    ::unlink(file.c_str());
    throw;
  }
}

std::optional<FrozenFilePlaces> find_frozen_file(const std::filesystem::path& file, const FrozenLayout& layout,
                                                 const std::string& content_key) {
  silence_hdf5();
  std::error_code status;
  if (!std::filesystem::is_regular_file(file, status)) return std::nullopt;
  try {
    const Hdf5Handle in = open_hdf5(file);
    const Hdf5Handle content(H5Aopen(in, kContent, H5P_DEFAULT), H5Aclose, file, "find what it holds");
    const Hdf5Handle type(H5Aget_type(content), H5Tclose, file, "read the type of a text");
    std::string text(H5Tget_size(type), '\0');
    if (text.size() != content_key.size() + 1 || H5Tis_variable_str(type) != 0) return std::nullopt;
    require_hdf5(H5Aread(content, type, text.data()), file, "read a text");
    text.pop_back();
    if (text != content_key) return std::nullopt;
    return FrozenFilePlaces{find_array(in, kRows, stored_type(layout.type), extents_of_rows(layout), file),
                            find_array(in, kChecksums, H5T_STD_U64LE, extents_of_checksums(layout), file)};
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace temper

#include "runtime/checkpoints/checkpoint_hdf5.h"

#include <hdf5.h>

#include "base/error.h"
#include "base/hdf5_handle.h"

namespace temper {
namespace {

constexpr const char* kState = "training_state";
constexpr const char* kFormerState = "state";  ///< in files of format 1, which have no group of this name
constexpr const char* kConfiguration = "configuration";
constexpr const char* kLineage = "lineage";
constexpr const char* kParametersGroup = "parameters";
constexpr const char* kUpdateState = "state";  ///< of groups, one for each array of the update rule

using Handle = Hdf5Handle;

void write_text(hid_t parent, const char* name, const std::string& text, const std::filesystem::path& file) {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose, file, "make a text type");
  // A string of length 0 does not exist in HDF5; the terminating zero counts.
  require_hdf5(H5Tset_size(type, text.size() + 1), file, "size a text");
  require_hdf5(H5Tset_cset(type, H5T_CSET_UTF8), file, "mark a text as UTF-8");
  Handle space(H5Screate(H5S_SCALAR), H5Sclose, file, "make a data space");
  Handle data(H5Dcreate2(parent, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Dclose, file,
              "make a text");
  require_hdf5(H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text.c_str()), file, "write a text");
}

std::string read_text(hid_t parent, const char* name, const std::filesystem::path& file) {
  Handle data(H5Dopen2(parent, name, H5P_DEFAULT), H5Dclose, file, "open a text of the checkpoint");
  Handle type(H5Dget_type(data), H5Tclose, file, "read the type of a text");
  if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) != 0)
    throw Error("{}: '{}' is no text; the file is no checkpoint", file.string(), name);
  std::string text(H5Tget_size(type), '\0');
  require_hdf5(H5Dread(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text.data()), file, "read a text");
  while (!text.empty() && text.back() == '\0') text.pop_back();
  return text;
}

void write_step(hid_t parent, std::int64_t step, const std::filesystem::path& file) {
  Handle space(H5Screate(H5S_SCALAR), H5Sclose, file, "make a data space");
  Handle attribute(H5Acreate2(parent, "step", H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose, file,
                   "make an attribute");
  require_hdf5(H5Awrite(attribute, H5T_NATIVE_INT64, &step), file, "write an attribute");
}

std::int64_t read_step(hid_t parent, const std::filesystem::path& file) {
  Handle attribute(H5Aopen(parent, "step", H5P_DEFAULT), H5Aclose, file, "find the step of the checkpoint");
  std::int64_t step = 0;
  require_hdf5(H5Aread(attribute, H5T_NATIVE_INT64, &step), file, "read the step of the checkpoint");
  return step;
}

/// Appends the name of a link; H5Literate's callback.
herr_t collect_name(hid_t /*group*/, const char* name, const H5L_info_t* /*info*/, void* names) {
  static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  return 0;
}

void read_tensor(hid_t parent, const std::string& name, const std::filesystem::path& file, Hdf5Layout& layout) {
  Handle data(H5Dopen2(parent, name.c_str(), H5P_DEFAULT), H5Dclose, file, "open a tensor");
  Handle space(H5Dget_space(data), H5Sclose, file, "read a shape");
  const int dimensions = H5Sget_simple_extent_ndims(space);
  require_hdf5(dimensions, file, "read a shape");
  std::vector<hsize_t> extents(static_cast<std::size_t>(dimensions));
  require_hdf5(H5Sget_simple_extent_dims(space, extents.data(), nullptr), file, "read a shape");
  const haddr_t offset = H5Dget_offset(data);
  if (offset == HADDR_UNDEF)
    throw Error("{}: '{}' lies in no one piece; the file is no checkpoint", file.string(), name);
  layout.tensors.push_back({name, {extents.begin(), extents.end()}});
  layout.offsets.push_back(offset);
}

/// "parameters/classifier.weight" for each link of the group "parameters".
std::vector<std::string> links_of(hid_t in, const std::string& group_name, const std::filesystem::path& file) {
  Handle group(H5Gopen2(in, group_name.c_str(), H5P_DEFAULT), H5Gclose, file, "open a group of tensors");
  std::vector<std::string> names;
  require_hdf5(H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, nullptr, collect_name, &names), file, "list its tensors");
  for (std::string& name : names) name.insert(0, group_name + "/");
  return names;
}

}  // namespace

std::vector<std::uint64_t> create_hdf5_file(const std::filesystem::path& file, const CheckpointContent& content) {
  silence_hdf5();
  const Handle access = hdf5_access(file);
  // The newest format carries checksums of its own structures; tensors begin on a page.
  require_hdf5(H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST), file, "choose its format");
  require_hdf5(H5Pset_alignment(access, 65536, 4096), file, "set the alignment");
  Handle out = create_hdf5(file, access);
  write_text(out, kState, content.state_json, file);
  write_text(out, kConfiguration, content.configuration_toml, file);
  write_text(out, kLineage, content.lineage_json, file);
  write_step(out, content.step, file);

  for (const char* group : {kParametersGroup, kUpdateState})
    Handle(H5Gcreate2(out, group, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose, file, "make a group");
  const Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose, file, "make a property list");
  require_hdf5(H5Pset_create_intermediate_group(links, 1), file, "let groups be made");
  Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, file, "make a property list");
  require_hdf5(H5Pset_layout(creation, H5D_CONTIGUOUS), file, "set the layout");
  require_hdf5(H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY), file, "set the time of allocation");
  require_hdf5(H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER), file, "set the time of filling");
  std::vector<std::uint64_t> offsets;
  for (const CheckpointTensor& tensor : content.tensors) {
    const std::vector<hsize_t> extents(tensor.shape.begin(), tensor.shape.end());
    Handle space(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), H5Sclose, file,
                 "make a data space");
    Handle data(H5Dcreate2(out, tensor.name.c_str(), H5T_IEEE_F32LE, space, links, creation, H5P_DEFAULT), H5Dclose,
                file, "make a tensor (is the disk full?)");
    const haddr_t offset = H5Dget_offset(data);
    if (offset == HADDR_UNDEF) throw Error("{}: HDF5 gave '{}' no place", file.string(), tensor.name);
    offsets.push_back(offset);
  }
  if (!out.close()) throw Error("{}: HDF5 cannot close the file; is the disk full?", file.string());
  return offsets;
}

Hdf5Layout read_hdf5_layout(const std::filesystem::path& file) {
  silence_hdf5();
  const Handle in = open_hdf5(file);
  const bool former = H5Lexists(in, kState, H5P_DEFAULT) == 0;
  Hdf5Layout layout;
  layout.state_json = read_text(in, former ? kFormerState : kState, file);
  layout.configuration_toml = read_text(in, kConfiguration, file);
  layout.lineage_json = read_text(in, kLineage, file);
  layout.step = read_step(in, file);
  std::vector<std::string> groups{"first_moments", "second_moments"};
  if (!former) groups = links_of(in, kUpdateState, file);
  groups.insert(groups.begin(), kParametersGroup);
  for (const std::string& group : groups)
    for (const std::string& name : links_of(in, group, file)) read_tensor(in, name, file, layout);
  return layout;
}

}  // namespace temper

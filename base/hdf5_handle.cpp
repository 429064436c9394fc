#include "base/hdf5_handle.h"

#include <hdf5.h>

#include <charconv>
#include <cstring>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/regular_file.h"

namespace temper {
namespace {

/// What the layers of the library tell of one failure; H5Ewalk2's target.
struct Reason {
  int system = 0;         ///< errno of a call of the system; 0: none failed
  std::string innermost;  ///< what the lowest layer says
};

herr_t note_reason(unsigned /*depth*/, const H5E_error2_t* entry, void* target) {
  auto& reason = *static_cast<Reason*>(target);
  const std::string_view text = entry->desc == nullptr ? "" : entry->desc;
  if (reason.innermost.empty()) reason.innermost = text;
  constexpr std::string_view kErrno = "errno = ";
  const std::size_t place = text.find(kErrno);
  if (place != std::string_view::npos && reason.system == 0)
    std::from_chars(text.data() + place + kErrno.size(), text.data() + text.size(), reason.system);
  return 0;
}

/// ": Permission denied", of the call that has failed just now; empty where HDF5 gives no reason.
std::string reason_of_failure() {
  Reason reason;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, note_reason, &reason);
  if (reason.system != 0) return fmt::format(": {} (errno {})", std::strerror(reason.system), reason.system);
  return reason.innermost.empty() ? "" : ": " + reason.innermost;
}

}  // namespace

Hdf5Handle::Hdf5Handle(std::int64_t id, Closer closer, const std::filesystem::path& file, const char* what)
    : id_(id), closer_(closer) {
  if (id_ < 0) throw Error("{}: HDF5 cannot {}{}", file.string(), what, reason_of_failure());
}

void require_hdf5(int status, const std::filesystem::path& file, const char* what) {
  if (status < 0) throw Error("{}: HDF5 cannot {}{}", file.string(), what, reason_of_failure());
}

Hdf5Handle hdf5_access(const std::filesystem::path& file) {
  const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  if (access >= 0)
    require_hdf5(H5Pset_file_locking(access, /*use_file_locking=*/false, /*ignore_when_disabled=*/true), file,
                 "do without file locks");
  return {access, H5Pclose, file, "make a property list"};
}

Hdf5Handle open_hdf5(const std::filesystem::path& file) {
  refuse_other_than_file(file);
  const Hdf5Handle access = hdf5_access(file);
  return {H5Fopen(file.c_str(), H5F_ACC_RDONLY, access), H5Fclose, file, "open it"};
}

Hdf5Handle create_hdf5(const std::filesystem::path& file, const Hdf5Handle& access) {
  return {H5Fcreate(file.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access), H5Fclose, file, "make the file"};
}

void silence_hdf5() { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

}  // namespace temper

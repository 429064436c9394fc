// An HDF5 identifier, closed at the end of its scope, and the one way in which files are opened and made. HDF5 is not
// thread-safe; only the main thread comes here.
//
// No file is opened with HDF5's own file locks: network file systems without lock services (NFS without lockd, Lustre
// without flock) would refuse it, and what lies in these files never changes once they have their final name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <utility>

namespace temper {

class Hdf5Handle {
 public:
  using Closer = int (*)(std::int64_t);

  /// `id` < 0: HDF5 has failed; then Error says that it cannot do `what`, and the system's reason where there is one.
  Hdf5Handle(std::int64_t id, Closer closer, const std::filesystem::path& file, const char* what);
  ~Hdf5Handle() {
    if (id_ >= 0) closer_(id_);
  }
  Hdf5Handle(const Hdf5Handle&) = delete;
  Hdf5Handle& operator=(const Hdf5Handle&) = delete;
  operator std::int64_t() const { return id_; }  // NOLINT(google-explicit-constructor): it stands for the identifier
  /// Closes now; an error is the caller's to tell.
  bool close() { return closer_(std::exchange(id_, -1)) >= 0; }

 private:
  std::int64_t id_;
  Closer closer_;
};

/// Throws Error if `status` says that HDF5 has failed.
void require_hdf5(int status, const std::filesystem::path& file, const char* what);

/// A list of access properties (H5P_FILE_ACCESS) without file locks, to which more may be added.
Hdf5Handle hdf5_access(const std::filesystem::path& file);
/// Opens a file for reading. Throws Error with the system's reason.
Hdf5Handle open_hdf5(const std::filesystem::path& file);
/// Makes a file, in the place of an older one. `access`: of hdf5_access. Throws Error with the system's reason.
Hdf5Handle create_hdf5(const std::filesystem::path& file, const Hdf5Handle& access);

/// HDF5 prints its errors on its own; they go into an Error instead.
void silence_hdf5();

}  // namespace temper

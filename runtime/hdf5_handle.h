// An HDF5 identifier, closed at the end of its scope. HDF5 is not thread-safe; only the main thread comes here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <utility>

#include "base/error.h"

namespace temper {

class Hdf5Handle {
 public:
  using Closer = int (*)(std::int64_t);

  /// `id` < 0: HDF5 has failed; then Error says that it cannot do `what`.
  Hdf5Handle(std::int64_t id, Closer closer, const std::filesystem::path& file, const char* what)
      : id_(id), closer_(closer) {
    if (id_ < 0) throw Error("{}: HDF5 cannot {}", file.string(), what);
  }
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
inline void require_hdf5(int status, const std::filesystem::path& file, const char* what) {
  if (status < 0) throw Error("{}: HDF5 cannot {}", file.string(), what);
}

/// HDF5 prints its errors on its own; they go into an Error instead.
void silence_hdf5();

}  // namespace temper

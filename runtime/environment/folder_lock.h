// The lock that a run holds on its output.dir: two runs that write there at once would destroy each other's
// checkpoints.
//
// It is the file run.lock, which says who holds it, under a lock of the system's (fcntl(2), open file description
// locks) that ends with the process, however that ends; over NFS it holds between hosts. Where a file system has no
// locks, or keeps those of each host apart, what the file says decides: on this host whether the process lives, and of
// a process elsewhere whether the file still changes, as the holder sees to every few seconds.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "base/process_identity.h"

namespace temper {

/// Who holds the lock, as run.lock says.
struct LockOwner {
  ProcessIdentity process;
  ProcessIdentity parent;  ///< mpirun, where that started it
  std::string job;         ///< of the scheduler, "Slurm job 25"; may be empty
  std::string since;       ///< local time, "2026-11-29 17:03:05"
  std::string word;        ///< random: another run's lock has another one
  std::int64_t beats = 0;  ///< goes up while the holder lives
};

struct FolderLockTiming {
  std::chrono::milliseconds beat{5000};
  std::chrono::milliseconds watch{13000};  ///< how long a holder elsewhere may give no sign of life
  std::chrono::milliseconds settle{300};   ///< without locks: how long two starts at once look at each other
  std::chrono::milliseconds naming{2000};  ///< how long a holder may take to write its name
  /// How long a holder may take to end whose parent has: ranks outlive a killed mpirun by some seconds.
  std::chrono::milliseconds ending{10000};

  /// The longest that taking the lock may last.
  [[nodiscard]] std::chrono::milliseconds longest() const { return watch + settle + naming + ending; }
};

class FolderLock {
 public:
  /// One process. Takes the lock of an existing folder. `say` is told if it takes a while. Throws Error naming host,
  /// process, job and time of the run that holds it, or the system's reason.
  FolderLock(const std::filesystem::path& folder, const std::string& job,
             const std::function<void(const std::string&)>& say, const FolderLockTiming& timing = {});
  /// Gives it back; the file is gone.
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  /// Throws Error if the owner that the file names lives.
  void require_no_owner(const std::function<void(const std::string&)>& say) const;
  /// `durably`: other hosts see it when this returns.
  void write_owner(bool durably) const;
  void beat_until(const std::stop_token& stop);

  std::filesystem::path folder_;
  std::filesystem::path file_;
  FolderLockTiming timing_;
  LockOwner own_;
  int descriptor_ = -1;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread heart_;  // last, so that it ends before what it uses
};

}  // namespace temper

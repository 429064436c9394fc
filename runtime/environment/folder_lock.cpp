#include "runtime/environment/folder_lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <utility>

#include "base/clock.h"
#include "base/error.h"

namespace temper {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ProcessIdentity, host, boot, pid_namespace, pid, started)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(LockOwner, process, parent, job, since, word, beats)

namespace {

/// Of the file at most; a longer one is none of ours.
constexpr std::size_t kLargestFile = 4096;

std::string local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts);
  return text.data();
}

std::string random_word() {
  std::random_device source;
  return fmt::format("{:08x}{:08x}", source(), source());
}

/// Reads anew from the file system, which another host may have written: opening the file asks for its present content
/// (NFS: close-to-open consistency). Nothing if it names nobody.
std::optional<LockOwner> read_owner(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return std::nullopt;
  std::string text(kLargestFile, '\0');
  const ssize_t count = ::pread(descriptor, text.data(), text.size(), 0);
  ::close(descriptor);
  if (count <= 0) return std::nullopt;
  text.resize(static_cast<std::size_t>(count));
  try {
    return nlohmann::json::parse(text).get<LockOwner>();
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

bool same_run(const LockOwner& a, const LockOwner& b) { return a.word == b.word; }

[[noreturn]] void refuse(const std::filesystem::path& folder, const std::optional<LockOwner>& owner) {
  if (!owner)
    throw Error("{}: is in use by another run; wait for its end, or choose another output.dir", folder.string());
  throw Error("{}: is in use by process {} on {}{} since {}; wait for its end, stop it, or choose another output.dir",
              folder.string(), owner->process.pid, owner->process.host,
              owner->job.empty() ? "" : ", " + owner->job + ",", owner->since);
}

/// Of the file under this name and the open one.
bool same_file(const std::filesystem::path& file, int descriptor) {
  struct stat named {};
  struct stat open {};
  return ::stat(file.c_str(), &named) == 0 && ::fstat(descriptor, &open) == 0 && named.st_dev == open.st_dev &&
         named.st_ino == open.st_ino;
}

/// How long a living owner is waited for. Without its parent it is about to end, as ranks are without mpirun.
std::chrono::milliseconds patience_with(const LockOwner& owner, const FolderLockTiming& timing) {
  return liveness_of(owner.parent) == Liveness::dead ? timing.ending : std::chrono::milliseconds(0);
}

enum class Verdict : std::uint8_t { taken, held, unsupported };

Verdict try_lock(int descriptor) {
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(descriptor, F_OFD_SETLK, &whole) == 0) return Verdict::taken;
  return errno == EAGAIN || errno == EACCES ? Verdict::held : Verdict::unsupported;
}

}  // namespace

FolderLock::FolderLock(const std::filesystem::path& folder, const std::string& job,
                       const std::function<void(const std::string&)>& say, const FolderLockTiming& timing)
    : folder_(folder), file_(folder / "run.lock"), timing_(timing) {
  own_ = {this_process(), parent_process(), job, local_time(), random_word(), 0};
  const Clock::time_point began = Clock::now();
  Verdict verdict = Verdict::held;
  while (true) {
    descriptor_ = ::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor_ < 0)
      throw Error("{}: cannot be opened: {}; is output.dir writable?", file_.string(), std::strerror(errno));
    verdict = try_lock(descriptor_);
    // Whoever had the lock a moment ago may have removed the file meanwhile.
    if (verdict != Verdict::held && same_file(file_, descriptor_)) break;
    ::close(std::exchange(descriptor_, -1));
    const std::optional<LockOwner> owner = read_owner(file_);
    // A holder that has just begun is named by its predecessor, or not at all, for a moment.
    const bool named = owner && liveness_of(owner->process) != Liveness::dead;
    const std::chrono::milliseconds patience = named ? patience_with(*owner, timing_) : timing_.naming;
    if (verdict == Verdict::held && Clock::now() - began > patience) refuse(folder_, owner);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  try {
    require_no_owner(say);
    // Under a lock a second start waits until the holder is named; so the disk need not be waited for here.
    write_owner(/*durably=*/verdict == Verdict::unsupported);
    if (verdict == Verdict::unsupported) {
      // Of two that find nobody at once, the one that wrote last stays.
      std::this_thread::sleep_for(timing_.settle);
      const std::optional<LockOwner> owner = read_owner(file_);
      if (!owner || !same_run(*owner, own_)) refuse(folder_, owner);
    }
  } catch (...) {
    // Where the own name could not be written, a file that names nobody is left.
    if (verdict == Verdict::taken && same_file(file_, descriptor_) && !read_owner(file_)) ::unlink(file_.c_str());
    ::close(descriptor_);
    throw;
  }
  heart_ = std::jthread([this](const std::stop_token& stop) { beat_until(stop); });
}

FolderLock::~FolderLock() {
  heart_.request_stop();
  if (heart_.joinable()) heart_.join();
  // Another run may have taken it for dead where there are no locks; then it is not ours to remove.
  const std::optional<LockOwner> owner = read_owner(file_);
  if (same_file(file_, descriptor_) && owner && same_run(*owner, own_)) ::unlink(file_.c_str());
  ::close(descriptor_);
}

void FolderLock::require_no_owner(const std::function<void(const std::string&)>& say) const {
  const std::optional<LockOwner> owner = read_owner(file_);
  if (!owner) return;
  Liveness liveness = liveness_of(owner->process);
  for (const Clock::time_point until = Clock::now() + patience_with(*owner, timing_);
       liveness == Liveness::alive && Clock::now() < until; liveness = liveness_of(owner->process))
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  if (liveness == Liveness::dead) return;
  if (liveness == Liveness::alive) refuse(folder_, read_owner(file_));
  say(fmt::format("{} was in use by process {} on {} since {}; looking for {:.0f} s whether it still is",
                  folder_.string(), owner->process.pid, owner->process.host, owner->since,
                  std::chrono::duration<double>(timing_.watch).count()));
  const Clock::time_point until = Clock::now() + timing_.watch;
  while (Clock::now() < until) {
    std::this_thread::sleep_for(std::min(timing_.watch / 10, timing_.beat));
    const std::optional<LockOwner> now = read_owner(file_);
    if (!now) return;
    if (!same_run(*now, *owner) || now->beats != owner->beats) refuse(folder_, now);
  }
}

void FolderLock::write_owner(bool durably) const {
  std::string text = nlohmann::json(own_).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  // In one piece and always of the same size, so that no reader sees half of it.
  text.resize(kLargestFile - 1, ' ');
  text += '\n';
  const ssize_t written = ::pwrite(descriptor_, text.data(), text.size(), 0);
  if (written != static_cast<ssize_t>(text.size()) || (durably && ::fdatasync(descriptor_) != 0))
    throw Error("{}: cannot be written: {}", file_.string(), written < 0 ? std::strerror(errno) : "the disk is full");
}

void FolderLock::beat_until(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    try {
      write_owner(/*durably=*/true);
    } catch (const Error&) {
      // A full disk or a network that is away for a moment is no reason to end a run; the next beat may get through.
    }
    wake_.wait_for(lock, stop, timing_.beat, [] { return false; });
    ++own_.beats;
  }
}

}  // namespace temper

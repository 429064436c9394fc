#include "runtime/environment/shared_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "comm/agreement.h"

namespace temper {
namespace {

constexpr std::size_t kDigits = 16;

/// Empty if the file holds the word, else why not.
std::string look(const std::filesystem::path& file, const std::string& word) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return std::strerror(errno);
  std::string text(word.size(), '\0');
  const ssize_t count = ::read(descriptor, text.data(), text.size());
  const int reason = errno;
  ::close(descriptor);
  if (count < 0) return std::strerror(reason);
  text.resize(static_cast<std::size_t>(count));
  return text == word ? "" : "it holds something else";
}

/// Over NFS others see it once the file is closed; that it would survive a crash does not matter.
void write_word(const std::filesystem::path& file, const std::string& word) {
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  const ssize_t count = descriptor < 0 ? -1 : ::write(descriptor, word.data(), word.size());
  bool written = count == static_cast<ssize_t>(word.size());
  int reason = count < 0 ? errno : ENOSPC;
  if (descriptor >= 0 && ::close(descriptor) != 0) {
    written = false;
    reason = errno;
  }
  if (written) return;
  if (descriptor >= 0) ::unlink(file.c_str());
  throw Error("{}: cannot be written: {}; is output.dir writable?", file.string(), std::strerror(reason));
}

/// The same, for so long as it may be that it is not shown yet.
std::string look_patiently(const std::filesystem::path& file, const std::string& word,
                           std::chrono::milliseconds patience) {
  const Clock::time_point until = Clock::now() + patience;
  std::string reason = look(file, word);
  while (!reason.empty() && Clock::now() < until) {
    std::this_thread::sleep_for(patience / 50);
    reason = look(file, word);
  }
  return reason;
}

}  // namespace

void require_shared_folder(const std::filesystem::path& folder, Communicator& communicator,
                           std::chrono::milliseconds patience) {
  if (communicator.size() == 1) return;
  const bool leads = communicator.rank() == 0;
  std::random_device source;
  std::string word = fmt::format("{:08x}{:08x}", source(), source()).substr(0, kDigits);
  communicator.broadcast(std::as_writable_bytes(std::span(word.data(), word.size())), 0);
  // A name that no host has asked for yet: that a file is absent is remembered, too.
  const std::filesystem::path file = folder / (".shared-" + word);
  agree_on_success(communicator, failure_of([&] {
                     if (leads) write_word(file, word);
                   }));
  const std::string reason = look_patiently(file, word, patience);
  const std::vector<std::vector<std::byte>> reasons =
      communicator.all_gather_variable(std::as_bytes(std::span(reason)));
  if (leads) ::unlink(file.c_str());
  for (std::size_t rank = 0; rank < reasons.size(); ++rank) {
    if (reasons[rank].empty()) continue;
    throw Error(
        "{}: {} (rank {}) does not see what {} (rank 0) writes there: {}; output.dir must lie on a file system that "
        "all hosts share, under the same path",
        folder.string(), communicator.host_name(static_cast<int>(rank)), rank, communicator.host_name(0),
        std::string_view(reinterpret_cast<const char*>(reasons[rank].data()), reasons[rank].size()));
  }
}

}  // namespace temper

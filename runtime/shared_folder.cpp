#include "runtime/shared_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/process_identity.h"
#include "runtime/agreement.h"

namespace temper {
namespace {

constexpr std::size_t kDigits = 16;

/// Empty if the file holds the word, else why not.
std::string look(const std::filesystem::path& file, const std::string& word) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return std::strerror(errno);
  std::string text(word.size(), '\0');
  const ssize_t count = ::read(descriptor, text.data(), text.size());
  const int reason = errno;
  ::close(descriptor);
  if (count < 0) return std::strerror(reason);
  text.resize(static_cast<std::size_t>(count));
  return text == word ? "" : "it holds something else";
}

/// The same, for so long as it may be that it is not shown yet.
std::string look_patiently(const std::filesystem::path& file, const std::string& word,
                           std::chrono::milliseconds patience) {
  using Clock = std::chrono::steady_clock;
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
                     if (leads) write_file_atomically(file, word);
                   }));
  const std::string reason = look_patiently(file, word, patience);
  const std::string mine = reason.empty() ? "" : host_name() + '\0' + reason;
  const std::vector<std::vector<std::byte>> all = communicator.all_gather_variable(std::as_bytes(std::span(mine)));
  if (leads) ::unlink(file.c_str());
  std::string writer = host_name();
  std::vector<std::byte> name(reinterpret_cast<const std::byte*>(writer.data()),
                              reinterpret_cast<const std::byte*>(writer.data() + writer.size()));
  communicator.broadcast_variable(name, 0);
  writer.assign(reinterpret_cast<const char*>(name.data()), name.size());
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    if (all[rank].empty()) continue;
    const std::string text(reinterpret_cast<const char*>(all[rank].data()), all[rank].size());
    const std::size_t end = text.find('\0');
    throw Error(
        "{}: {} (rank {}) does not see what {} (rank 0) writes there: {}; output.dir must lie on a file system that "
        "all hosts share, under the same path",
        folder.string(), text.substr(0, end), rank, writer, text.substr(end + 1));
  }
}

}  // namespace temper

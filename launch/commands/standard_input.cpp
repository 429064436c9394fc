#include "launch/commands/standard_input.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "base/error.h"

namespace temper {

Lines lines_of(std::string_view text, bool at_end) {
  Lines found;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos && !at_end) break;
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    found.lines.emplace_back(line);
  }
  found.rest = text;
  return found;
}

std::vector<std::string> StandardInputLines::next() {
  std::vector<char> piece(std::size_t{1} << 16);
  while (!stop_requested_() && !ended_) {
    constexpr int kMillisecondsBetweenLooks = 100;
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (::poll(&input, 1, kMillisecondsBetweenLooks) == 0) continue;
    const ssize_t count = ::read(STDIN_FILENO, piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error("standard input: cannot be read: {}", std::strerror(errno));
    ended_ = count == 0;
    held_.append(piece.data(), static_cast<std::size_t>(count));
    Lines found = lines_of(held_, ended_);
    held_ = std::move(found.rest);
    if (!found.lines.empty()) return std::move(found.lines);
  }
  return {};
}

std::vector<std::string> standard_input_of_all(Communicator& world, const std::function<bool()>& stop_requested) {
  std::vector<std::byte> bytes;
  if (world.rank() == 0) {
    StandardInputLines input(stop_requested);
    for (std::vector<std::string> lines = input.next(); !lines.empty(); lines = input.next()) {
      for (std::string& line : lines) {
        line += '\n';
        const auto view = std::as_bytes(std::span(line));
        bytes.insert(bytes.end(), view.begin(), view.end());
      }
    }
  }
  world.broadcast_variable(bytes, 0);
  return lines_of(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), false).lines;
}

}  // namespace temper

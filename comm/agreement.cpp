#include "comm/agreement.h"

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include "base/damaged_content.h"

namespace temper {
namespace {

/// Kind and damage in the first byte, then the sentence.
std::string packed(const Failure& failure) {
  if (failure.empty()) return "";
  return std::string(1, static_cast<char>((failure.kind == ErrorKind::usage ? 1 : 0) | (failure.damaged ? 2 : 0))) +
         failure.sentence;
}

Failure unpacked(const std::vector<std::byte>& bytes) {
  if (bytes.empty()) return {};
  const int flags = std::to_integer<int>(bytes.front());
  return {std::string(reinterpret_cast<const char*>(bytes.data()) + 1, bytes.size() - 1),
          (flags & 1) != 0 ? ErrorKind::usage : ErrorKind::failure, (flags & 2) != 0};
}

}  // namespace

Failure failure_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const DamagedContent& error) {
    return {error.what(), error.kind(), true};
  } catch (const Error& error) {
    return {error.what(), error.kind(), false};
  } catch (const std::exception& error) {
    return {error.what()};
  }
  return {};
}

void agree_on_success(Communicator& communicator, const Failure& failure) {
  const std::string mine = packed(failure);
  std::optional<Failure> told;
  for (const std::vector<std::byte>& bytes : communicator.all_gather_variable(std::as_bytes(std::span(mine)))) {
    const Failure other = unpacked(bytes);
    if (!other.empty() && (!told || (told->damaged && !other.damaged))) told = other;
  }
  if (!told) return;
  if (told->damaged) throw DamagedContent(told->sentence);
  throw Error(told->kind, told->sentence);
}

}  // namespace temper

// The one exception of the program. Its text is a sentence for the user: the file, the place in it, what was
// found, what was expected and what to do. It is thrown anywhere and caught once, in launch/.
#pragma once

#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace temper {

/// The exit status that an error asks for: a run that failed, or a command that was used wrongly.
enum class ErrorKind { failure = 1, usage = 2 };

class Error : public std::runtime_error {
 public:
  /// Error("{}: header says {} bytes, file has {}", path, declared, actual)
  template <typename... Args>
  explicit Error(fmt::format_string<Args...> format, Args&&... args)
      : std::runtime_error(fmt::format(format, std::forward<Args>(args)...)) {}

  Error(ErrorKind kind, const std::string& sentence) : std::runtime_error(sentence), kind_(kind) {}

  [[nodiscard]] ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_ = ErrorKind::failure;
};

/// A wrong configuration key, option or value: exit status 2.
template <typename... Args>
Error usage_error(fmt::format_string<Args...> format, Args&&... args) {
  return {ErrorKind::usage, fmt::format(format, std::forward<Args>(args)...)};
}

}  // namespace temper

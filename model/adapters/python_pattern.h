// Regular expressions in adapter_config.json, which are Python's, computed by ICU.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace temper {

class PythonPattern {
 public:
  /// `place` opens messages. Throws Error for what is no regular expression.
  PythonPattern(const std::string& pattern, const std::string& place);
  ~PythonPattern();
  PythonPattern(PythonPattern&&) noexcept;
  PythonPattern& operator=(PythonPattern&&) noexcept;

  /// As re.fullmatch does. Throws Error for an expression that takes too long.
  [[nodiscard]] bool matches_whole(std::string_view text) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace temper

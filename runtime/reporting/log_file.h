// A file that a run appends to. Every write is checked, so that a full disk is reported at once.
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string_view>

namespace temper {

class LogFile {
 public:
  enum class Mode { append, replace, create_new };

  /// Throws Error naming the file and the system's reason. `create_new` refuses a file that exists.
  LogFile(const std::filesystem::path& path, Mode mode);

  /// Throws Error as the constructor does. What is written reaches the file at the latest with flush().
  void write(std::string_view bytes);
  void flush();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace temper

#include "runtime/reporting/log_file.h"

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace temper {
namespace {

// 'e': not inherited by child processes.
const char* flags_of(LogFile::Mode mode) {
  switch (mode) {
    case LogFile::Mode::append:
      return "ae";
    case LogFile::Mode::create_new:
      return "wxe";
    case LogFile::Mode::replace:
      break;
  }
  return "we";
}

}  // namespace

LogFile::LogFile(const std::filesystem::path& path, Mode mode)
    : path_(path), file_(std::fopen(path.c_str(), flags_of(mode))) {
  if (!file_) throw Error("{}: cannot be opened for writing: {}", path_.string(), std::strerror(errno));
}

void LogFile::write(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size())
    throw Error("{}: cannot be written: {}", path_.string(), std::strerror(errno));
}

void LogFile::flush() {
  if (std::fflush(file_.get()) != 0) throw Error("{}: cannot be written: {}", path_.string(), std::strerror(errno));
}

}  // namespace temper

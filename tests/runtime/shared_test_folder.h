// A folder that all ranks of a test see, made by rank 0 and removed at the end.
#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>

#include "base/error.h"
#include "tests/world.h"

namespace temper::testing_support {

/// While it lives, this process can write no byte into a file.
class NoRoomInFiles {
 public:
  NoRoomInFiles() {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit none{0, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &none);
  }
  ~NoRoomInFiles() { setrlimit(RLIMIT_FSIZE, &before_); }
  NoRoomInFiles(const NoRoomInFiles&) = delete;
  NoRoomInFiles& operator=(const NoRoomInFiles&) = delete;

 private:
  rlimit before_{};
};

class SharedFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "temper-shared-XXXXXX").string();
    if (world_.rank() == 0 && mkdtemp(pattern.data()) == nullptr) std::abort();  // the others would wait
    world_.broadcast(std::as_writable_bytes(std::span(pattern.data(), pattern.size())), 0);
    folder_ = pattern;
  }
  void TearDown() override {
    on_rank_0([&] { std::filesystem::remove_all(folder_); });
  }

  void on_rank_0(const std::function<void()>& act) const {
    world_.barrier();
    if (world_.rank() == 0) act();
    world_.barrier();
  }
  static void write(const std::filesystem::path& file, const std::string& text) {
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
  }
  static std::string read(const std::filesystem::path& file) {
    std::ostringstream text;
    text << std::ifstream(file, std::ios::binary).rdbuf();
    return text.str();
  }
  /// What an action is refused with; an empty Error where it is not.
  static Error refusal(const std::function<void()>& action) {
    try {
      action();
    } catch (const Error& error) {
      return error;
    }
    return Error(ErrorKind::failure, "");
  }

  Communicator& world_ = world_communicator();
  std::filesystem::path folder_;
};

}  // namespace temper::testing_support

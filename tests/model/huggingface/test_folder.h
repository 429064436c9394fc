// A folder of its own for a test, files written byte by byte, and the message with which something is refused.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/error.h"

namespace temper::testing_support {

/// Created empty, removed with everything in it.
class TestFolder {
 public:
  TestFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "temper-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder: " + pattern);
    path_ = pattern;
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  /// Writes folder/name, creating the folders in between.
  std::filesystem::path write(const std::string& name, std::string_view content) const {
    const std::filesystem::path file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream stream(file, std::ios::binary);
    stream.write(content.data(), static_cast<std::streamsize>(content.size()));
    if (!stream.flush()) throw std::runtime_error("cannot write " + file.string());
    return file;
  }

  /// Names in folder/name, sorted, hidden ones included.
  [[nodiscard]] std::set<std::string> names(const std::string& name = ".") const {
    std::set<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(path_ / name))
      found.insert(entry.path().filename().string());
    return found;
  }

 private:
  std::filesystem::path path_;
};

/// The bytes of a safetensors file with any header and any data.
inline std::string safetensors_bytes(std::uint64_t header_length, std::string_view header, std::string_view data) {
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>((header_length >> shift) & 0xff);
  return bytes.append(header).append(data);
}

inline std::string safetensors_bytes(std::string_view header, std::string_view data) {
  return safetensors_bytes(header.size(), header, data);
}

/// Expects an Error whose sentence has every one of the parts.
template <typename Action>
void expect_refusal(Action action, std::initializer_list<std::string_view> parts) {
  try {
    action();
  } catch (const Error& error) {
    const std::string_view sentence = error.what();
    for (const std::string_view part : parts)
      EXPECT_NE(sentence.find(part), std::string_view::npos) << "\"" << part << "\" is not in: " << sentence;
    return;
  }
  ADD_FAILURE() << "nothing was refused";
}

}  // namespace temper::testing_support

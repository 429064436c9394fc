// What a program would show on a terminal or in a log file.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

namespace temper::testing_support {

/// A stream that remembers.
class Screen {
 public:
  Screen() : file_(std::tmpfile()) {}
  ~Screen() { std::fclose(file_); }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  [[nodiscard]] std::FILE* stream() const { return file_; }

  /// Every byte that was written.
  [[nodiscard]] std::string bytes() const {
    std::fflush(file_);
    std::string all(static_cast<std::size_t>(std::ftell(file_)), '\0');
    std::rewind(file_);
    EXPECT_EQ(std::fread(all.data(), 1, all.size(), file_), all.size());
    return all;
  }

  /// What a terminal shows after it: lines without colours, the last one being where the cursor stands.
  [[nodiscard]] std::vector<std::string> lines() const {
    std::vector<std::string> lines(1);
    const std::string all = bytes();
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i] == '\n') {
        lines.emplace_back();
      } else if (all[i] == '\r') {
        // A carriage return is always followed by all of the new line and an erasure of the rest.
        lines.back().clear();
      } else if (all[i] == '\x1b') {
        i = all.find_first_of("mK", i);
      } else {
        lines.back() += all[i];
      }
    }
    return lines;
  }

 private:
  std::FILE* file_;
};

}  // namespace temper::testing_support

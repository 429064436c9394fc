// Reference results and real data that lie outside the project. A test that needs them is skipped without them.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "tests/places.h"

namespace temper::testing_support {

/// The folder named by TEMPER_SHARED_DIR, else `shared` beside the checkout; empty where neither exists.
inline std::filesystem::path shared_directory() {
  if (const char* named = std::getenv("TEMPER_SHARED_DIR"); named != nullptr && std::filesystem::exists(named))
    return named;
  const std::filesystem::path beside = source_directory().parent_path() / "shared";
  return std::filesystem::exists(beside) ? beside : std::filesystem::path();
}

}  // namespace temper::testing_support

/// Skips the current test where the shared folder is absent; else defines `name` as a path in it.
#define TEMPER_REQUIRE_SHARED(name, relative)                                                  \
  const std::filesystem::path name = temper::testing_support::shared_directory() / (relative); \
  if (temper::testing_support::shared_directory().empty() || !std::filesystem::exists(name))   \
  GTEST_SKIP() << "skipped: no shared data"

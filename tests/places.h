// Where the checkout lies, known to one file alone: a test that included the path could not be taken from a compiler
// cache by another checkout.
#pragma once

#include <filesystem>

namespace temper::testing_support {

std::filesystem::path source_directory();

}  // namespace temper::testing_support

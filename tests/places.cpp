#include "tests/places.h"

namespace temper::testing_support {

std::filesystem::path source_directory() { return TEMPER_SOURCE_DIR; }

}  // namespace temper::testing_support

#include "base/host_name.h"

#include <unistd.h>

#include <array>

namespace temper {

std::string host_name() {
  std::array<char, 256> name{};
  // A name that does not fit is cut and may lack its end.
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "?";
  return name.data();
}

}  // namespace temper

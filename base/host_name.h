// The name of the host that this process runs on.
#pragma once

#include <string>

namespace temper {

/// As gethostname(2) gives it; "?" where it gives none.
std::string host_name();

}  // namespace temper

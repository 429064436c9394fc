// Which build of the program this is.
#pragma once

#include <string>

namespace temper {

/// What the linker wrote into the running program (NT_GNU_BUILD_ID), as hexadecimal digits; empty where it wrote
/// nothing. Two builds of one version from other sources, compilers or options have other ones.
std::string build_id();

}  // namespace temper

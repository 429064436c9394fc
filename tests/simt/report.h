// How the emulator ends a program that did what no device can do.
#pragma once

#include <cstdarg>

namespace simt {

/// Prints "simt: " and the formatted sentence, and aborts.
[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace simt

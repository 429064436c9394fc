#include "tests/simt/report.h"

#include <cstdio>
#include <cstdlib>

namespace simt {

void fail(const char* format, ...) {
  std::fputs("simt: ", stderr);
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  std::fputc('\n', stderr);
  std::abort();
}

}  // namespace simt

#include "launch/process_clock.h"

#include <unistd.h>

#include <ctime>
#include <fstream>
#include <sstream>
#include <string>

namespace temper {

double seconds_since_process_start() {
  std::ifstream file("/proc/self/stat");
  std::string text;
  std::getline(file, text);
  // The second field is the name in brackets and may hold blanks; the start time is the 22nd (proc(5)).
  const std::size_t bracket = text.rfind(')');
  if (bracket == std::string::npos) return 0.0;
  std::istringstream fields(text.substr(bracket + 1));
  std::string field;
  constexpr int kFieldsUntilStart = 20;
  for (int i = 0; i < kFieldsUntilStart; ++i) fields >> field;
  timespec now{};
  if (!fields || clock_gettime(CLOCK_BOOTTIME, &now) != 0) return 0.0;
  const double started = std::stod(field) / static_cast<double>(sysconf(_SC_CLK_TCK));
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec) - started;
}

}  // namespace temper

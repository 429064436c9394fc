#include "base/memory_usage.h"

#include <sys/resource.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace temper {
namespace {

/// "   1234 kB" in bytes.
std::int64_t parse_kibibytes(std::string_view text) {
  const std::size_t first = text.find_first_of("0123456789");
  if (first == std::string_view::npos) return 0;
  std::int64_t kibibytes = 0;
  std::from_chars(text.data() + first, text.data() + text.size(), kibibytes);
  return kibibytes * 1024;
}

std::optional<MemoryUsage> read_process_status() {
  struct Field {
    std::string_view name;
    std::int64_t MemoryUsage::*member;
  };
  constexpr std::array<Field, 5> kFields = {{{"VmRSS:", &MemoryUsage::resident},
                                             {"VmHWM:", &MemoryUsage::peak_resident},
                                             {"RssAnon:", &MemoryUsage::anonymous},
                                             {"RssFile:", &MemoryUsage::mapped_files},
                                             {"RssShmem:", &MemoryUsage::shared}}};
  std::ifstream status("/proc/self/status");
  MemoryUsage usage;
  std::string line;
  while (std::getline(status, line))
    for (const Field& field : kFields)
      if (line.starts_with(field.name))
        usage.*field.member = parse_kibibytes(std::string_view(line).substr(field.name.size()));
  if (usage.resident == 0) return std::nullopt;
  return usage;
}

}  // namespace

MemoryUsage memory_usage() {
  const std::optional<MemoryUsage> usage = read_process_status();
  if (!usage) throw Error("/proc/self/status: found no VmRSS line, expected a Linux system with /proc mounted");
  return *usage;
}

std::int64_t proportional_bytes() {
  constexpr std::string_view kName = "Pss:";
  std::ifstream rollup("/proc/self/smaps_rollup");
  std::string line;
  while (std::getline(rollup, line))
    if (line.starts_with(kName)) return parse_kibibytes(std::string_view(line).substr(kName.size()));
  return 0;
}

std::int64_t peak_resident_bytes() {
  // First choice, because ru_maxrss survives exec: it would count the shell or launcher that this program replaced.
  if (const auto usage = read_process_status(); usage && usage->peak_resident > 0) return usage->peak_resident;
  struct rusage usage {};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) throw Error("the peak memory is not known: {}", std::strerror(errno));
  return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace temper

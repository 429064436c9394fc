#include "base/build_id.h"

#include <elf.h>
#include <fmt/format.h>
#include <link.h>

#include <cstring>

namespace temper {
namespace {

/// The id among the notes of a segment; empty if it is not there.
std::string id_among(const char* notes, std::size_t bytes) {
  const auto padded = [](std::size_t size) { return (size + 3) / 4 * 4; };
  while (bytes >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) header;
    std::memcpy(&header, notes, sizeof(header));
    const std::size_t whole = sizeof(header) + padded(header.n_namesz) + padded(header.n_descsz);
    if (whole > bytes) break;
    const char* name = notes + sizeof(header);
    if (header.n_type == NT_GNU_BUILD_ID && header.n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0) {
      std::string digits;
      const auto* id = reinterpret_cast<const unsigned char*>(name) + padded(header.n_namesz);
      for (std::size_t i = 0; i < header.n_descsz; ++i) digits += fmt::format("{:02x}", id[i]);
      return digits;
    }
    notes += whole;
    bytes -= whole;
  }
  return "";
}

/// dl_iterate_phdr(3): looks at the program, which comes first, and no further.
int look_at_program(dl_phdr_info* info, std::size_t /*size*/, void* found) {
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    const std::string id = id_among(reinterpret_cast<const char*>(info->dlpi_addr + segment.p_vaddr), segment.p_memsz);
    if (!id.empty()) *static_cast<std::string*>(found) = id;
  }
  return 1;
}

}  // namespace

std::string build_id() {
  std::string found;
  dl_iterate_phdr(look_at_program, &found);
  return found;
}

}  // namespace temper

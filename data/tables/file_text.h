// The text of a file, unpacked where it is compressed: all of it in one piece of address space, of which little need be
// in memory.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

#include "base/mapped_file.h"
#include "base/spool.h"

namespace temper {

class FileText {
 public:
  /// Throws Error as MappedFile and unpack_gzip do.
  FileText(const std::filesystem::path& path, bool compressed);

  [[nodiscard]] std::string_view text() const;
  /// Takes bytes [begin, end) out of memory; what is read again comes back from the file.
  void forget(std::size_t begin, std::size_t end) const;
  /// require_utf8_file (data/tables/table.h), holding no more than a piece of the text in memory.
  void require_utf8() const;

 private:
  MappedFile file_;
  Spool unpacked_{std::size_t{16} << 20};
  bool is_unpacked_ = false;
  std::span<const std::byte> unpacked_view_;
};

}  // namespace temper

// The part of the zip format (PKWARE APPNOTE 6.3) that PyTorch writes: entries that are stored, not compressed, with
// the records of zip64 where they are needed. The central directory is what counts; of an entry's own header only its
// length is used. Every file is taken for hostile.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>

namespace temper {

/// Whether bytes begin as a zip archive does.
bool is_zip_archive(std::span<const std::byte> bytes);

/// Name and content of each entry; the content lies in `bytes`. `file` opens the messages. Throws Error for an archive
/// that is damaged or cut short, compressed or encrypted entries, and a name that occurs twice.
std::map<std::string, std::span<const std::byte>> zip_entries(std::span<const std::byte> bytes,
                                                              const std::string& file);

}  // namespace temper

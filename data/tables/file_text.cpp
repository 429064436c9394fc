#include "data/tables/file_text.h"

#include <algorithm>

#include "data/tables/gzip.h"
#include "data/tables/table.h"
#include "data/tokenizer/utf8.h"

namespace temper {

FileText::FileText(const std::filesystem::path& path, bool compressed) : file_(path) {
  if (!compressed) return;
  unpack_gzip(file_.bytes(), path, [&](std::span<const std::byte> piece) { unpacked_.append(piece); });
  file_.forget_pages();
  is_unpacked_ = true;
  unpacked_view_ = unpacked_.view();
}

std::string_view FileText::text() const {
  if (!is_unpacked_) return file_.text();
  return {reinterpret_cast<const char*>(unpacked_view_.data()), unpacked_view_.size()};
}

void FileText::forget(std::size_t begin, std::size_t end) const {
  constexpr std::size_t kPage = 65536;  // a multiple of every page size there is
  begin = begin / kPage * kPage;
  end = end / kPage * kPage;
  if (begin >= end) return;
  if (is_unpacked_)
    unpacked_.forget(begin, end);
  else
    file_.forget_pages(file_.bytes().subspan(begin, end - begin));
}

void FileText::require_utf8() const {
  constexpr std::size_t kPiece = std::size_t{4} << 20;
  const std::string_view whole = text();
  for (std::size_t begin = 0; begin < whole.size();) {
    std::size_t end = std::min(whole.size(), begin + kPiece);
    // A character has at most three bytes that continue it.
    for (int i = 0; i < 3 && end < whole.size() && (static_cast<unsigned char>(whole[end]) & 0xC0) == 0x80; ++i) --end;
    if (first_invalid_utf8(whole.substr(begin, end - begin)) != std::string_view::npos)
      require_utf8_file(whole, file_.path());
    forget(begin, end);
    begin = end;
  }
}

}  // namespace temper

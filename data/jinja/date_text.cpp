#include "data/jinja/date_text.h"

#include <array>
#include <string>

#include "data/jinja/template_error.h"

namespace temper::jinja {

Text date_text(const Text& pattern, const std::tm& date) {
  // One field at a time, since the C library tells an empty result from one that is too long by nothing.
  Text out;
  const std::string& bytes = pattern.bytes();
  for (std::size_t at = 0; at < bytes.size();) {
    if (bytes[at] != '%' || at + 1 >= bytes.size()) {
      out.append(pattern.slice(at, at + 1));
      ++at;
      continue;
    }
    std::size_t end = at + 1;
    while (end < bytes.size() && (bytes[end] == '-' || bytes[end] == '_' || bytes[end] == '0' || bytes[end] == '^' ||
                                  bytes[end] == '#' || bytes[end] == 'E' || bytes[end] == 'O'))
      ++end;
    end = end < bytes.size() ? end + character_bytes(bytes[end]) : end;
    const std::string field = bytes.substr(at, end - at);
    if (field.ends_with('f')) {
      out.append("000000", false);  // microseconds
    } else {
      std::array<char, 256> buffer{};
      const std::size_t length = std::strftime(buffer.data(), buffer.size(), field.c_str(), &date);
      out.append(std::string_view(buffer.data(), length), false);
    }
    at = end;
  }
  return out;
}

}  // namespace temper::jinja

// Bytes in base64 (RFC 4648, section 4).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace temper {

/// The bytes of a text in base64; nothing if it is none.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace temper

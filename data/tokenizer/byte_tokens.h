// The tokens <0x00> to <0xFF>, which stand for the bytes of characters that a model does not know.
#pragma once

#include <fmt/format.h>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "data/tokenizer/vocabulary.h"

namespace temper {

class ByteTokens {
 public:
  /// Of a vocabulary; none where they are not `wanted`.
  ByteTokens(const Vocabulary& vocabulary, bool wanted) {
    for (std::size_t byte = 0; byte < ids_.size(); ++byte)
      ids_[byte] = wanted ? vocabulary.find(fmt::format("<0x{:02X}>", byte)).value_or(kAbsent) : kAbsent;
  }

  /// Appends the tokens of all bytes of a text; does nothing and returns false where one of them has none.
  bool append(std::string_view text, std::vector<std::int32_t>& ids) const {
    const std::size_t before = ids.size();
    for (const char byte : text) {
      const std::int32_t id = ids_[static_cast<unsigned char>(byte)];
      if (id == kAbsent) {
        ids.resize(before);
        return false;
      }
      ids.push_back(id);
    }
    return true;
  }

 private:
  static constexpr std::int32_t kAbsent = -1;
  std::array<std::int32_t, 256> ids_{};
};

}  // namespace temper

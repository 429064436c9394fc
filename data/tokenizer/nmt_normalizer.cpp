#include "data/tokenizer/normalizer.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

bool is_dropped(char32_t c) {
  return (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
}

bool becomes_a_space(char32_t c) {
  return c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
         c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
}

class NmtNormalizer : public Normalizer {
 public:
  bool normalize(std::string_view text, std::string& normalized) const override {
    normalized.clear();
    normalized.reserve(text.size());
    bool from_start = true;
    for (std::size_t i = 0; i < text.size();) {
      const CodePoint code = decode_utf8(text.data() + i);
      if (becomes_a_space(code.value)) {
        normalized.push_back(' ');
      } else if (!is_dropped(code.value)) {
        normalized.append(text, i, code.bytes);
      } else if (i == 0) {
        from_start = false;
      }
      i += code.bytes;
    }
    return from_start;
  }
};

}  // namespace

std::unique_ptr<Normalizer> make_nmt_normalizer(const JsonNode& /*node*/) { return std::make_unique<NmtNormalizer>(); }

}  // namespace temper

#include "data/tokenizer/normalizer.h"
#include "data/tokenizer/unicode_properties.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

class LowercaseNormalizer : public Normalizer {
 public:
  bool normalize(std::string_view text, std::string& normalized) const override {
    normalized.clear();
    normalized.reserve(text.size());
    for (std::size_t i = 0; i < text.size();) {
      const auto byte = static_cast<unsigned char>(text[i]);
      if (byte < 0x80) {
        normalized.push_back(static_cast<char>(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte));
        ++i;
        continue;
      }
      const CodePoint code = decode_utf8(text.data() + i);
      i += code.bytes;
      char32_t lower[2];
      const int count = lower_case(code.value, lower);
      for (int k = 0; k < count; ++k) append_utf8(lower[k], normalized);
    }
    return true;
  }
};

}  // namespace

std::unique_ptr<Normalizer> make_lowercase_normalizer(const JsonNode& /*node*/) {
  return std::make_unique<LowercaseNormalizer>();
}

}  // namespace temper

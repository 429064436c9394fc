#include "data/tokenizer/normalizer.h"
#include "data/tokenizer/unicode_properties.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

class StripAccentsNormalizer : public Normalizer {
 public:
  bool normalize(std::string_view text, std::string& normalized) const override {
    normalized.clear();
    normalized.reserve(text.size());
    bool from_start = true;
    for (std::size_t i = 0; i < text.size();) {
      const CodePoint code = decode_utf8(text.data() + i);
      if (is_combining_mark(code.value)) {
        if (i == 0) from_start = false;
      } else {
        normalized.append(text, i, code.bytes);
      }
      i += code.bytes;
    }
    return from_start;
  }
};

}  // namespace

std::unique_ptr<Normalizer> make_strip_accents_normalizer(const JsonNode& /*node*/) {
  return std::make_unique<StripAccentsNormalizer>();
}

}  // namespace temper

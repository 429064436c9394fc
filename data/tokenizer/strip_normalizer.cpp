#include "data/tokenizer/normalizer.h"
#include "data/tokenizer/unicode_properties.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

class StripNormalizer : public Normalizer {
 public:
  StripNormalizer(bool left, bool right) : left_(left), right_(right) {}

  bool normalize(std::string_view text, std::string& normalized) const override {
    std::size_t start = 0;
    std::size_t end = text.size();
    while (left_ && start < end) {
      const CodePoint code = decode_utf8(text.data() + start);
      if (!is_white_space(code.value)) break;
      start += code.bytes;
    }
    while (right_ && end > start) {
      const CodePoint code = decode_utf8_before(text, end);
      if (!is_white_space(code.value)) break;
      end -= code.bytes;
    }
    normalized = text.substr(start, end - start);
    return start == 0;
  }

 private:
  bool left_;
  bool right_;
};

}  // namespace

std::unique_ptr<Normalizer> make_strip_normalizer(const JsonNode& node) {
  return std::make_unique<StripNormalizer>(node.member("strip_left").boolean(), node.member("strip_right").boolean());
}

}  // namespace temper

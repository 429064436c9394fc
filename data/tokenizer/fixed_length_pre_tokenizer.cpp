#include <cstdint>

#include "data/tokenizer/pre_tokenizer.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

class FixedLengthPreTokenizer : public PreTokenizer {
 public:
  explicit FixedLengthPreTokenizer(std::int64_t characters) : characters_(characters) {}

  std::size_t next_words(std::string_view text, std::size_t position,
                         std::vector<std::string_view>& words) const override {
    words.clear();
    std::size_t i = position;
    while (i < text.size() && words.size() < words.capacity()) {
      const std::size_t start = i;
      for (std::int64_t k = 0; k < characters_ && i < text.size(); ++k) i += decode_utf8(text.data() + i).bytes;
      words.push_back(text.substr(start, i - start));
    }
    return i;
  }

 private:
  std::int64_t characters_;
};

}  // namespace

std::unique_ptr<PreTokenizer> make_fixed_length_pre_tokenizer(const JsonNode& node) {
  const std::optional<JsonNode> length = node.optional_member("length");
  return std::make_unique<FixedLengthPreTokenizer>(length ? length->integer(1, INT32_MAX) : 5);
}

}  // namespace temper

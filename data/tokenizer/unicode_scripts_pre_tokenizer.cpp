#include "data/tokenizer/pre_tokenizer.h"
#include "data/tokenizer/unicode_properties.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

/// As in the Hugging Face library, what stands before the first character of a script is dropped.
class UnicodeScriptsPreTokenizer : public PreTokenizer {
 public:
  std::size_t next_words(std::string_view text, std::size_t /*position*/,
                         std::vector<std::string_view>& words) const override {
    words.clear();
    int script = kAnyScript;
    std::size_t start = text.size();
    for (std::size_t i = 0; i < text.size();) {
      const CodePoint code = decode_utf8(text.data() + i);
      const int next = script_of_unicode_9(code.value);
      if (next != kAnyScript && next != script) {
        if (start < i) words.push_back(text.substr(start, i - start));
        start = i;
        script = next;
      }
      i += code.bytes;
    }
    if (start < text.size()) words.push_back(text.substr(start));
    return text.size();
  }
};

}  // namespace

std::unique_ptr<PreTokenizer> make_unicode_scripts_pre_tokenizer(const JsonNode& /*node*/) {
  return std::make_unique<UnicodeScriptsPreTokenizer>();
}

}  // namespace temper

#include <utility>
#include <vector>

#include "data/tokenizer/expression.h"
#include "data/tokenizer/normalizer.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

class ReplaceNormalizer : public Normalizer {
 public:
  ReplaceNormalizer(std::unique_ptr<Expression> pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  bool normalize(std::string_view text, std::string& normalized) const override {
    std::vector<TextSpan> matches;
    pattern_->find_all(text, matches);
    replace_spans(text, matches, content_, normalized);
    if (matches.empty() || matches.front().start > 0 || matches.front().end == 0) return true;
    // What replaces several characters stands where the last of them stood.
    return !content_.empty() && matches.front().end == decode_utf8(text.data()).bytes;
  }

 private:
  std::unique_ptr<Expression> pattern_;
  std::string content_;
};

}  // namespace

std::unique_ptr<Normalizer> make_replace_normalizer(const JsonNode& node) {
  return std::make_unique<ReplaceNormalizer>(make_pattern(node.member("pattern")), node.member("content").text());
}

}  // namespace temper

#include <utility>

#include "data/tokenizer/expression.h"
#include "data/tokenizer/pre_tokenizer.h"
#include "data/tokenizer/word_cutter.h"

namespace temper {
namespace {

class SplitPreTokenizer : public PreTokenizer {
 public:
  SplitPreTokenizer(std::unique_ptr<Expression> pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

  std::size_t next_words(std::string_view text, std::size_t /*position*/,
                         std::vector<std::string_view>& words) const override {
    words.clear();
    std::vector<TextSpan> matches;
    pattern_->find_all(text, matches);
    WordCutter cutter(behavior_, text, words);
    std::size_t done = 0;
    for (const TextSpan& match : matches) {
      if (done < match.start) cutter.add(match.start, invert_);
      cutter.add(match.end, !invert_);
      done = match.end;
    }
    if (done < text.size()) cutter.add(text.size(), invert_);
    cutter.finish();
    return text.size();
  }

 private:
  std::unique_ptr<Expression> pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

}  // namespace

std::unique_ptr<PreTokenizer> make_split_pre_tokenizer(const JsonNode& node) {
  const JsonNode pattern = node.member("pattern");
  const SplitBehavior behavior = read_split_behavior(node.member("behavior"));
  const bool invert = node.member("invert").boolean();
  std::unique_ptr<Expression> expression = make_pattern(pattern);
  if (behavior == SplitBehavior::isolated && !invert) {
    if (std::unique_ptr<PreTokenizer> scanned = make_scanned_split(pattern.text_or("Regex", ""))) return scanned;
  }
  return std::make_unique<SplitPreTokenizer>(std::move(expression), behavior, invert);
}

}  // namespace temper

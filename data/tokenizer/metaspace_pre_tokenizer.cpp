#include "data/tokenizer/metaspace.h"

#include <utility>

#include "data/tokenizer/pre_tokenizer.h"

namespace temper {
namespace {

class MetaspacePreTokenizer : public PreTokenizer {
 public:
  explicit MetaspacePreTokenizer(Metaspace metaspace) : metaspace_(std::move(metaspace)) {}

  [[nodiscard]] bool changes_text() const override { return true; }

  [[nodiscard]] std::string_view prepare(std::string_view text, bool at_start, std::string& buffer) const override {
    const std::string& mark = metaspace_.replacement;
    const bool marked = text.starts_with(' ') || text.starts_with(mark);
    const bool wanted = metaspace_.prepend == Metaspace::Prepend::always ||
                        (metaspace_.prepend == Metaspace::Prepend::first && at_start);
    buffer.clear();
    if (wanted && !marked) buffer = mark;
    for (std::size_t i = 0; i < text.size();) {
      const std::size_t space = text.find(' ', i);
      buffer.append(text, i, space - i);
      if (space == std::string_view::npos) break;
      buffer += mark;
      i = space + 1;
    }
    return buffer;
  }

  std::size_t next_words(std::string_view text, std::size_t position,
                         std::vector<std::string_view>& words) const override {
    words.clear();
    std::size_t i = position;
    while (i < text.size() && words.size() < words.capacity()) {
      // A word begins with the mark, but the mark before another one stands alone.
      const std::size_t end = metaspace_.split ? text.find(metaspace_.replacement, i + 1) : std::string_view::npos;
      words.push_back(text.substr(i, end - i));
      i += words.back().size();
    }
    return i;
  }

 private:
  Metaspace metaspace_;
};

}  // namespace

std::unique_ptr<PreTokenizer> make_metaspace_pre_tokenizer(const JsonNode& node) {
  return std::make_unique<MetaspacePreTokenizer>(read_metaspace(node));
}

}  // namespace temper

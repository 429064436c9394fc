#include <utility>

#include "data/tokenizer/normalizer.h"

namespace temper {
namespace {

class PrependNormalizer : public Normalizer {
 public:
  explicit PrependNormalizer(std::string text) : text_(std::move(text)) {}

  bool normalize(std::string_view text, std::string& normalized) const override {
    normalized.clear();
    if (!text.empty()) normalized.append(text_).append(text);
    return true;
  }

 private:
  std::string text_;
};

}  // namespace

std::unique_ptr<Normalizer> make_prepend_normalizer(const JsonNode& node) {
  return std::make_unique<PrependNormalizer>(node.member("prepend").text());
}

}  // namespace temper

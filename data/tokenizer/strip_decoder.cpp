#include <cstdint>
#include <utility>

#include "data/tokenizer/decoder.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

class StripDecoder : public Decoder {
 public:
  StripDecoder(std::string character, std::int64_t start, std::int64_t stop)
      : character_(std::move(character)), start_(start), stop_(stop) {}

  [[nodiscard]] std::vector<std::string> decode(std::vector<std::string> tokens) const override {
    for (std::string& token : tokens) {
      std::string_view kept = token;
      for (std::int64_t i = 0; i < start_ && kept.starts_with(character_); ++i) kept.remove_prefix(character_.size());
      for (std::int64_t i = 0; i < stop_ && kept.ends_with(character_); ++i) kept.remove_suffix(character_.size());
      token = std::string(kept);
    }
    return tokens;
  }

 private:
  std::string character_;
  std::int64_t start_;  // at most as many at each end
  std::int64_t stop_;
};

}  // namespace

std::unique_ptr<Decoder> make_strip_decoder(const JsonNode& node) {
  std::string character;
  append_utf8(node.member("content").character(), character);
  return std::make_unique<StripDecoder>(std::move(character), node.member("start").integer(0, INT32_MAX),
                                        node.member("stop").integer(0, INT32_MAX));
}

}  // namespace temper

#include "data/tokenizer/decoder.h"

namespace temper {
namespace {

class FuseDecoder : public Decoder {
 public:
  [[nodiscard]] std::vector<std::string> decode(std::vector<std::string> tokens) const override {
    std::string text;
    for (const std::string& token : tokens) text += token;
    return {std::move(text)};
  }
};

}  // namespace

std::unique_ptr<Decoder> make_fuse_decoder(const JsonNode& /*node*/) { return std::make_unique<FuseDecoder>(); }

}  // namespace temper

#include <utility>

#include "data/tokenizer/decoder.h"
#include "data/tokenizer/metaspace.h"

namespace temper {
namespace {

/// Where texts get a mark in front, all marks of the first token are dropped, as the Hugging Face library does.
class MetaspaceDecoder : public Decoder {
 public:
  explicit MetaspaceDecoder(Metaspace metaspace) : metaspace_(std::move(metaspace)) {}

  [[nodiscard]] std::vector<std::string> decode(std::vector<std::string> tokens) const override {
    const bool prepended = metaspace_.prepend != Metaspace::Prepend::never;
    for (std::size_t i = 0; i < tokens.size(); ++i)
      replace_text(tokens[i], metaspace_.replacement, i == 0 && prepended ? "" : " ");
    return tokens;
  }

 private:
  Metaspace metaspace_;
};

}  // namespace

std::unique_ptr<Decoder> make_metaspace_decoder(const JsonNode& node) {
  return std::make_unique<MetaspaceDecoder>(read_metaspace(node));
}

}  // namespace temper

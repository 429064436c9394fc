#include "data/tokenizer/decoder.h"

#include <utility>

#include "data/tokenizer/kind_table.h"

namespace temper {
namespace {

std::unique_ptr<Decoder> make_decoder_sequence(const JsonNode& node);

using MakeDecoder = std::unique_ptr<Decoder> (*)(const JsonNode&);

constexpr Kind<MakeDecoder> kDecoders[] = {
    {"WordPiece", make_wordpiece_decoder},
    {"ByteLevel", make_byte_level_decoder},
    {"BPEDecoder", make_bpe_decoder},
    {"Metaspace", make_metaspace_decoder},
    {"ByteFallback", make_byte_fallback_decoder},
    {"Fuse", make_fuse_decoder},
    {"Strip", make_strip_decoder},
    {"Replace", make_replace_decoder},
    {"CTC", make_ctc_decoder},
    {"Sequence", make_decoder_sequence},
};

std::unique_ptr<Decoder> make_decoder_of(const JsonNode& node) {
  return find_kind(kDecoders, "decoder", node, node.member("type").text())(node);
}

class SpacesBetween : public Decoder {
 public:
  [[nodiscard]] std::vector<std::string> decode(std::vector<std::string> tokens) const override {
    for (std::size_t i = 1; i < tokens.size(); ++i) tokens[i].insert(0, 1, ' ');
    return tokens;
  }
};

class DecoderSequence : public Decoder {
 public:
  explicit DecoderSequence(std::vector<std::unique_ptr<Decoder>> steps) : steps_(std::move(steps)) {}

  [[nodiscard]] std::vector<std::string> decode(std::vector<std::string> tokens) const override {
    for (const std::unique_ptr<Decoder>& step : steps_) tokens = step->decode(std::move(tokens));
    return tokens;
  }

 private:
  std::vector<std::unique_ptr<Decoder>> steps_;
};

std::unique_ptr<Decoder> make_decoder_sequence(const JsonNode& node) {
  std::vector<std::unique_ptr<Decoder>> steps;
  for (const JsonNode& step : node.member("decoders").elements()) steps.push_back(make_decoder_of(step));
  return std::make_unique<DecoderSequence>(std::move(steps));
}

}  // namespace

std::unique_ptr<Decoder> make_decoder(const JsonNode& root) {
  const std::optional<JsonNode> node = root.optional_member("decoder");
  if (!node) return std::make_unique<SpacesBetween>();
  return make_decoder_of(*node);
}

void replace_text(std::string& piece, std::string_view from, std::string_view to) {
  for (std::size_t i = piece.find(from); i != std::string::npos; i = piece.find(from, i + to.size()))
    piece.replace(i, from.size(), to);
}

}  // namespace temper

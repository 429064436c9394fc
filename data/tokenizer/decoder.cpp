#include "data/tokenizer/decoder.h"

#include <array>
#include <utility>

#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/kind_table.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

class JoinWithSpaces : public Decoder {
 public:
  [[nodiscard]] std::string decode(std::span<const std::string_view> tokens) const override {
    std::string text;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (i > 0) text += ' ';
      text += tokens[i];
    }
    return text;
  }
};

class WordPieceDecoder : public Decoder {
 public:
  WordPieceDecoder(std::string prefix, bool cleanup) : prefix_(std::move(prefix)), cleanup_(cleanup) {}

  [[nodiscard]] std::string decode(std::span<const std::string_view> tokens) const override {
    std::string text;
    std::string piece;
    bool beginning = true;
    for (const std::string_view token : tokens) {
      if (beginning) {
        piece = token;
      } else if (token.starts_with(prefix_)) {
        piece = token.substr(prefix_.size());
      } else {
        piece.assign(1, ' ').append(token);
      }
      beginning = false;
      if (cleanup_) clean_up(piece);
      text += piece;
    }
    return text;
  }

 private:
  /// Takes back the spaces that tokenizing English put before punctuation and contractions, token by token.
  static void clean_up(std::string& piece) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kReplacements{{{" .", "."},
                                                                                           {" ?", "?"},
                                                                                           {" !", "!"},
                                                                                           {" ,", ","},
                                                                                           {" ' ", "'"},
                                                                                           {" n't", "n't"},
                                                                                           {" 'm", "'m"},
                                                                                           {" do not", " don't"},
                                                                                           {" 's", "'s"},
                                                                                           {" 've", "'ve"},
                                                                                           {" 're", "'re"}}};
    for (const auto& [from, to] : kReplacements) {
      for (std::size_t i = piece.find(from); i != std::string::npos; i = piece.find(from, i + to.size()))
        piece.replace(i, from.size(), to);
    }
  }

  std::string prefix_;
  bool cleanup_;
};

class ByteLevelDecoder : public Decoder {
 public:
  [[nodiscard]] std::string decode(std::span<const std::string_view> tokens) const override {
    std::string bytes;
    for (const std::string_view token : tokens) {
      // A token outside the alphabet, such as an added one with a space in it, stands for itself.
      const std::optional<std::string> meant = alphabet_.bytes(token);
      bytes += meant ? std::string_view(*meant) : token;
    }
    return replace_invalid_utf8(bytes);
  }

 private:
  ByteAlphabet alphabet_;
};

std::unique_ptr<Decoder> make_wordpiece_decoder(const JsonNode& node) {
  return std::make_unique<WordPieceDecoder>(node.text_or("prefix", "##"), node.boolean_or("cleanup", true));
}

std::unique_ptr<Decoder> make_byte_level_decoder(const JsonNode& /*node*/) {
  return std::make_unique<ByteLevelDecoder>();
}

using MakeDecoder = std::unique_ptr<Decoder> (*)(const JsonNode&);

constexpr Kind<MakeDecoder> kDecoders[] = {
    {"WordPiece", make_wordpiece_decoder},
    {"ByteLevel", make_byte_level_decoder},
};

}  // namespace

std::unique_ptr<Decoder> make_decoder(const JsonNode& root) {
  const std::optional<JsonNode> node = root.optional_member("decoder");
  if (!node) return std::make_unique<JoinWithSpaces>();
  return find_kind(kDecoders, "decoder", *node, node->member("type").text())(*node);
}

}  // namespace temper

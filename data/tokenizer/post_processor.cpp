#include "data/tokenizer/post_processor.h"

#include <algorithm>

#include "data/tokenizer/kind_table.h"

namespace temper {
namespace {

using Kinds = TemplatePiece::Kind;

constexpr TemplatePiece first(std::int32_t type) { return {Kinds::first, 0, type}; }
constexpr TemplatePiece second(std::int32_t type) { return {Kinds::second, 0, type}; }
constexpr TemplatePiece special(std::int32_t id, std::int32_t type) { return {Kinds::special, id, type}; }

/// Both texts as they are: what there is without a post-processor.
PostProcessor bare() { return {{first(0)}, {first(0), second(1)}}; }

std::int32_t read_id(const JsonNode& node, std::int32_t vocabulary_size) {
  return static_cast<std::int32_t>(node.integer(0, vocabulary_size - 1));
}

/// ["[SEP]", 102]
std::int32_t read_token_and_id(const JsonNode& node, std::int32_t vocabulary_size) {
  const std::vector<JsonNode> parts = node.elements();
  if (parts.size() != 2) throw node.unexpected("a token and its id, as [\"[SEP]\", 102]");
  return read_id(parts[1], vocabulary_size);
}

PostProcessor make_bert_processing(const JsonNode& node, std::int32_t vocabulary_size) {
  const std::int32_t cls = read_token_and_id(node.member("cls"), vocabulary_size);
  const std::int32_t sep = read_token_and_id(node.member("sep"), vocabulary_size);
  return {{special(cls, 0), first(0), special(sep, 0)},
          {special(cls, 0), first(0), special(sep, 0), second(1), special(sep, 1)}};
}

PostProcessor make_roberta_processing(const JsonNode& node, std::int32_t vocabulary_size) {
  const std::int32_t cls = read_token_and_id(node.member("cls"), vocabulary_size);
  const std::int32_t sep = read_token_and_id(node.member("sep"), vocabulary_size);
  return {{special(cls, 0), first(0), special(sep, 0)},
          {special(cls, 0), first(0), special(sep, 0), special(sep, 0), second(0), special(sep, 0)}};
}

/// It only moves the offsets of tokens, which are not kept here.
PostProcessor make_byte_level_processing(const JsonNode& /*node*/, std::int32_t /*vocabulary_size*/) { return bare(); }

std::vector<TemplatePiece> read_template(const JsonNode& node, const JsonNode& special_tokens_node,
                                         std::int32_t vocabulary_size) {
  std::vector<TemplatePiece> pieces;
  for (const JsonNode& piece : node.elements()) {
    if (const std::optional<JsonNode> sequence = piece.optional_member("Sequence")) {
      const std::string name = sequence->member("id").text();
      if (name != "A" && name != "B") throw sequence->member("id").unexpected("\"A\" or \"B\"");
      const auto type = static_cast<std::int32_t>(sequence->member("type_id").integer(0, INT32_MAX));
      pieces.push_back(name == "A" ? first(type) : second(type));
    } else {
      const JsonNode token = piece.member("SpecialToken");
      const auto type = static_cast<std::int32_t>(token.member("type_id").integer(0, INT32_MAX));
      for (const JsonNode& id : special_tokens_node.member(token.member("id").text()).member("ids").elements())
        pieces.push_back(special(read_id(id, vocabulary_size), type));
    }
  }
  return pieces;
}

PostProcessor make_template_processing(const JsonNode& node, std::int32_t vocabulary_size) {
  const JsonNode tokens = node.member("special_tokens");
  PostProcessor processor{read_template(node.member("single"), tokens, vocabulary_size),
                          read_template(node.member("pair"), tokens, vocabulary_size)};
  if (std::any_of(processor.single.begin(), processor.single.end(),
                  [](const TemplatePiece& piece) { return piece.kind == Kinds::second; }))
    throw node.member("single").unexpected("a template of sequence A alone");
  return processor;
}

using MakePostProcessor = PostProcessor (*)(const JsonNode&, std::int32_t);

constexpr Kind<MakePostProcessor> kPostProcessors[] = {
    {"TemplateProcessing", make_template_processing},
    {"BertProcessing", make_bert_processing},
    {"RobertaProcessing", make_roberta_processing},
    {"ByteLevel", make_byte_level_processing},
};

}  // namespace

std::size_t special_tokens(std::span<const TemplatePiece> pieces) {
  return static_cast<std::size_t>(std::count_if(
      pieces.begin(), pieces.end(), [](const TemplatePiece& piece) { return piece.kind == Kinds::special; }));
}

PostProcessor make_post_processor(const JsonNode& root, std::int32_t vocabulary_size) {
  const std::optional<JsonNode> node = root.optional_member("post_processor");
  if (!node) return bare();
  return find_kind(kPostProcessors, "post-processor", *node, node->member("type").text())(*node, vocabulary_size);
}

}  // namespace temper

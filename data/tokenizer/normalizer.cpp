#include "data/tokenizer/normalizer.h"

#include "data/tokenizer/kind_table.h"

namespace temper {
namespace {

using MakeNormalizer = std::unique_ptr<Normalizer> (*)(const JsonNode&);

constexpr Kind<MakeNormalizer> kNormalizers[] = {
    {"BertNormalizer", make_bert_normalizer},
};

}  // namespace

std::unique_ptr<Normalizer> make_normalizer(const JsonNode& root) {
  const std::optional<JsonNode> node = root.optional_member("normalizer");
  if (!node) return nullptr;
  return find_kind(kNormalizers, "normalizer", *node, node->member("type").text())(*node);
}

}  // namespace temper

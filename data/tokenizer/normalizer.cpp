#include "data/tokenizer/normalizer.h"

#include <iterator>
#include <utility>
#include <vector>

#include "data/tokenizer/kind_table.h"

namespace temper {
namespace {

using MakeNormalizer = std::unique_ptr<Normalizer> (*)(const JsonNode&);

std::unique_ptr<Normalizer> make_normalizer_sequence(const JsonNode& node);

constexpr Kind<MakeNormalizer> kNormalizers[] = {
    {"BertNormalizer", make_bert_normalizer},
    {"Sequence", make_normalizer_sequence},
    {"NFC", make_nfc_normalizer},
    {"NFD", make_nfd_normalizer},
    {"NFKC", make_nfkc_normalizer},
    {"NFKD", make_nfkd_normalizer},
    {"Lowercase", make_lowercase_normalizer},
    {"StripAccents", make_strip_accents_normalizer},
    {"Strip", make_strip_normalizer},
    {"Nmt", make_nmt_normalizer},
    {"Prepend", make_prepend_normalizer},
    {"Replace", make_replace_normalizer},
    {"Precompiled", make_precompiled_normalizer},
    {"ByteLevel", make_byte_level_normalizer},
};

std::unique_ptr<Normalizer> make_normalizer_of(const JsonNode& node) {
  return find_kind(kNormalizers, "normalizer", node, node.member("type").text())(node);
}

/// One after another.
class NormalizerSequence : public Normalizer {
 public:
  explicit NormalizerSequence(std::vector<std::unique_ptr<Normalizer>> steps) : steps_(std::move(steps)) {}

  bool normalize(std::string_view text, std::string& normalized) const override {
    if (steps_.empty()) {
      normalized = text;
      return true;
    }
    bool from_start = steps_.front()->normalize(text, normalized);
    std::string before;
    for (auto step = std::next(steps_.begin()); step != steps_.end(); ++step) {
      before.swap(normalized);
      from_start = (*step)->normalize(before, normalized) && from_start;
    }
    return from_start;
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> steps_;
};

std::unique_ptr<Normalizer> make_normalizer_sequence(const JsonNode& node) {
  std::vector<std::unique_ptr<Normalizer>> steps;
  for (const JsonNode& step : node.member("normalizers").elements()) steps.push_back(make_normalizer_of(step));
  if (steps.size() == 1) return std::move(steps.front());
  return std::make_unique<NormalizerSequence>(std::move(steps));
}

}  // namespace

std::unique_ptr<Normalizer> make_normalizer(const JsonNode& root) {
  const std::optional<JsonNode> node = root.optional_member("normalizer");
  return node ? make_normalizer_of(*node) : nullptr;
}

}  // namespace temper

#include "data/tokenizer/tokenizer_class.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/error.h"

namespace temper {
namespace {

struct ClassEntry {
  std::string_view name;
  TokenizerBuild build;
  bool token_types;
};

// Classes that other names stand for have a line each; the rest takes tokenizer.json as it is, without segments.
constexpr ClassEntry kClasses[] = {
    {"BertTokenizer", TokenizerBuild::bert, true},
    {"ConvBertTokenizer", TokenizerBuild::bert, true},
    {"DPRContextEncoderTokenizer", TokenizerBuild::bert, true},
    {"DPRQuestionEncoderTokenizer", TokenizerBuild::bert, true},
    {"ElectraTokenizer", TokenizerBuild::bert, true},
    {"LayoutLMTokenizer", TokenizerBuild::bert, true},
    {"LxmertTokenizer", TokenizerBuild::bert, true},
    {"MobileBertTokenizer", TokenizerBuild::bert, true},
    {"SqueezeBertTokenizer", TokenizerBuild::bert, true},
    {"DistilBertTokenizer", TokenizerBuild::bert, false},
    {"MPNetTokenizer", TokenizerBuild::mpnet, false},
    {"RobertaTokenizer", TokenizerBuild::roberta, false},
    {"BartTokenizer", TokenizerBuild::roberta, false},
    {"LongformerTokenizer", TokenizerBuild::roberta, false},
    {"GPT2Tokenizer", TokenizerBuild::gpt2, false},
    {"DebertaTokenizer", TokenizerBuild::as_stored, true},
    {"DebertaV2Tokenizer", TokenizerBuild::as_stored, true},
    {"FNetTokenizer", TokenizerBuild::as_stored, true},
    {"LayoutLMv2Tokenizer", TokenizerBuild::as_stored, true},
    {"MarkupLMTokenizer", TokenizerBuild::as_stored, true},
};

/// Of the rest, those that need a Unigram.
constexpr std::string_view kUnigrams[] = {"AlbertTokenizer", "CamembertTokenizer", "DebertaV2Tokenizer",
                                          "XLMRobertaTokenizer"};

/// Written in Python: they read no tokenizer.json, and nothing of the tokenizers library does what they do.
constexpr std::string_view kPrograms[] = {
    "BertJapaneseTokenizer", "BertweetTokenizer",    "BioGptTokenizer",     "BlenderbotSmallTokenizer",
    "ByT5Tokenizer",         "CTRLTokenizer",        "CanineTokenizer",     "EsmTokenizer",
    "FSMTTokenizer",         "FlaubertTokenizer",    "MgpstrTokenizer",     "MyT5Tokenizer",
    "PerceiverTokenizer",    "PhobertTokenizer",     "ProphetNetTokenizer", "RoCBertTokenizer",
    "TapasTokenizer",        "Wav2Vec2CTCTokenizer", "XLMTokenizer",
};

struct ModelEntry {
  std::string_view model_type;
  std::string_view name;
};

constexpr ModelEntry kModels[] = {
    {"albert", "AlbertTokenizer"},
    {"bert", "BertTokenizer"},
    {"camembert", "CamembertTokenizer"},
    {"convbert", "BertTokenizer"},
    {"deberta", "DebertaTokenizer"},
    {"deberta-v2", "DebertaV2Tokenizer"},
    {"distilbert", "BertTokenizer"},
    {"electra", "BertTokenizer"},
    {"ernie", "BertTokenizer"},
    {"gpt2", "GPT2Tokenizer"},
    {"longformer", "RobertaTokenizer"},
    {"megatron-bert", "BertTokenizer"},
    {"mobilebert", "BertTokenizer"},
    {"mpnet", "MPNetTokenizer"},
    {"nomic_bert", "BertTokenizer"},
    {"roberta", "RobertaTokenizer"},
    {"roberta-prelayernorm", "RobertaTokenizer"},
    {"squeezebert", "BertTokenizer"},
    {"xlm-roberta", "XLMRobertaTokenizer"},
};

/// Models for which transformers mistrusts the class that is named, and takes tokenizer.json as it is.
constexpr std::string_view kMistrusted[] = {"modernbert", "modernbert-decoder", "phi3"};

constexpr std::string_view kAsStored = "PreTrainedTokenizerFast";

constexpr std::array<DefaultToken, 5> kBertTokens = {{{"unk_token", "[UNK]"},
                                                      {"sep_token", "[SEP]"},
                                                      {"pad_token", "[PAD]"},
                                                      {"cls_token", "[CLS]"},
                                                      {"mask_token", "[MASK]"}}};
constexpr std::array<DefaultToken, 7> kMpnetTokens = {{{"bos_token", "<s>"},
                                                       {"eos_token", "</s>"},
                                                       {"unk_token", "[UNK]"},
                                                       {"sep_token", "</s>"},
                                                       {"pad_token", "<pad>"},
                                                       {"cls_token", "<s>"},
                                                       {"mask_token", "<mask>", true}}};
constexpr std::array<DefaultToken, 7> kRobertaTokens = {{{"bos_token", "<s>"},
                                                         {"eos_token", "</s>"},
                                                         {"unk_token", "<unk>"},
                                                         {"sep_token", "</s>"},
                                                         {"pad_token", "<pad>"},
                                                         {"cls_token", "<s>"},
                                                         {"mask_token", "<mask>"}}};
constexpr std::array<DefaultToken, 3> kGpt2Tokens = {
    {{"bos_token", "<|endoftext|>"}, {"eos_token", "<|endoftext|>"}, {"unk_token", "<|endoftext|>"}}};

/// A text member of an object; nothing where it is absent, null or no text.
std::optional<std::string> text_member(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string() || found->get_ref<const std::string&>().empty()) return std::nullopt;
  return found->get<std::string>();
}

std::string without_fast(std::string name) {
  // PreTrainedTokenizerFast is a name of its own.
  if (name != kAsStored && name.ends_with("Fast")) name.resize(name.size() - 4);
  return name;
}

}  // namespace

std::span<const DefaultToken> TokenizerClass::default_tokens() const {
  switch (build) {
    case TokenizerBuild::bert:
      return kBertTokens;
    case TokenizerBuild::mpnet:
      return kMpnetTokens;
    case TokenizerBuild::roberta:
      return kRobertaTokens;
    case TokenizerBuild::gpt2:
      return kGpt2Tokens;
    case TokenizerBuild::as_stored:
      break;
  }
  return {};
}

std::vector<std::string> TokenizerClass::vocabulary_files() const {
  if (build == TokenizerBuild::as_stored) return {};
  if (model_type() == "WordPiece") return {"vocab.txt"};
  return {"vocab.json", "merges.txt"};
}

std::string_view TokenizerClass::model_type() const {
  if (build == TokenizerBuild::as_stored) return unigram ? "Unigram" : "";
  return build == TokenizerBuild::bert || build == TokenizerBuild::mpnet ? "WordPiece" : "BPE";
}

TokenizerClass tokenizer_class_of(const nlohmann::json& tokenizer_config, const nlohmann::json& model_config,
                                  const std::string& folder) {
  std::optional<std::string> name = text_member(tokenizer_config, "tokenizer_class");
  if (!name) name = text_member(model_config, "tokenizer_class");
  const std::string model_type = text_member(model_config, "model_type").value_or("");
  if (std::find(std::begin(kMistrusted), std::end(kMistrusted), model_type) != std::end(kMistrusted)) name = kAsStored;
  for (const ModelEntry& model : kModels)
    if (!name && model.model_type == model_type) name = std::string(model.name);
  TokenizerClass found;
  found.name = without_fast(name.value_or(std::string(kAsStored)));
  if (std::find(std::begin(kPrograms), std::end(kPrograms), found.name) != std::end(kPrograms))
    throw Error(
        "{}: the tokenizer's class is {}, a program of its own that no tokenizer.json can stand for; choose a model "
        "whose tokenizer is of the tokenizers library",
        folder, found.name);
  for (const ClassEntry& entry : kClasses) {
    if (entry.name != found.name) continue;
    found.build = entry.build;
    found.token_types = entry.token_types;
  }
  found.unigram = std::find(std::begin(kUnigrams), std::end(kUnigrams), found.name) != std::end(kUnigrams);
  return found;
}

}  // namespace temper

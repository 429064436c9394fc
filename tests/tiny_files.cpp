#include "tests/tiny_files.h"

#include <array>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "base/mapped_file.h"
#include "model/architectures/model_config.h"
#include "model/architectures/registry.h"
#include "model/huggingface/safetensors.h"
#include "model/initialization.h"

namespace temper::testing_support {
namespace {

const std::array<std::vector<std::string>, 3> kClassWords{
    std::vector<std::string>{"good", "great", "happy", "love", "nice"},
    std::vector<std::string>{"bad", "awful", "sad", "hate", "poor"},
    std::vector<std::string>{"table", "paper", "stone", "window", "road"}};
const std::vector<std::string> kFiller{"the", "a",    "this", "is",   "was",  "it",
                                       "and", "very", "we",   "they", "then", "today"};
constexpr std::array<const char*, 3> kClasses{"negative", "neutral", "positive"};
constexpr std::array<std::size_t, 3> kWordsOfClass{1, 2, 0};

std::vector<std::string> vocabulary() {
  std::vector<std::string> words{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", ",", "!"};
  for (const auto& group : kClassWords) words.insert(words.end(), group.begin(), group.end());
  words.insert(words.end(), kFiller.begin(), kFiller.end());
  for (char c = 'a'; c <= 'z'; ++c) {
    words.emplace_back(1, c);
    words.push_back(std::string("##") + c);
  }
  return words;
}

void write_tokenizer(const std::filesystem::path& file) {
  using Json = nlohmann::ordered_json;
  Json vocabulary_ids;
  Json added = Json::array();
  const std::vector<std::string> words = vocabulary();
  for (std::size_t id = 0; id < words.size(); ++id) {
    vocabulary_ids[words[id]] = id;
    if (words[id].front() == '[')
      added.push_back({{"id", id},
                       {"content", words[id]},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", false},
                       {"special", true}});
  }
  const auto special = [](const char* token, int type) {
    return Json{{"SpecialToken", {{"id", token}, {"type_id", type}}}};
  };
  const auto text = [](const char* name, int type) { return Json{{"Sequence", {{"id", name}, {"type_id", type}}}}; };
  const Json tokenizer{{"version", "1.0"},
                       {"truncation", nullptr},
                       {"padding", nullptr},
                       {"added_tokens", added},
                       {"normalizer",
                        {{"type", "BertNormalizer"},
                         {"clean_text", true},
                         {"handle_chinese_chars", true},
                         {"strip_accents", nullptr},
                         {"lowercase", true}}},
                       {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
                       {"post_processor",
                        {{"type", "TemplateProcessing"},
                         {"single", Json::array({special("[CLS]", 0), text("A", 0), special("[SEP]", 0)})},
                         {"pair", Json::array({special("[CLS]", 0), text("A", 0), special("[SEP]", 0), text("B", 1),
                                               special("[SEP]", 1)})},
                         {"special_tokens",
                          {{"[CLS]", {{"id", "[CLS]"}, {"ids", {2}}, {"tokens", {"[CLS]"}}}},
                           {"[SEP]", {{"id", "[SEP]"}, {"ids", {3}}, {"tokens", {"[SEP]"}}}}}}}},
                       {"decoder", {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}}},
                       {"model",
                        {{"type", "WordPiece"},
                         {"unk_token", "[UNK]"},
                         {"continuing_subword_prefix", "##"},
                         {"max_input_chars_per_word", 100},
                         {"vocab", vocabulary_ids}}}};
  write_file_atomically(file, tokenizer.dump(1));
}

/// One row: a class, a text whose words tell it, and what the other tasks need.
void write_row(std::ofstream& file, std::mt19937& engine) {
  const auto pick = [&](std::size_t n) { return static_cast<std::size_t>(engine() % n); };
  const std::size_t kind = pick(kClasses.size());
  std::string text;
  std::string word_labels;
  const std::size_t words = 3 + pick(9);
  int telling = 0;
  for (std::size_t i = 0; i < words; ++i) {
    const bool tells = i == 1 || pick(3) == 0;
    const auto& group = tells ? kClassWords[kWordsOfClass[kind]] : kFiller;
    text += (i == 0 ? "" : " ") + group[pick(group.size())];
    word_labels += (i == 0 ? "" : " ") + std::string(tells ? "T" : "O");
    telling += tells ? 1 : 0;
  }
  file << '"' << text << "\"," << kClasses[kind] << ',' << 0.5 * static_cast<double>(kind) << ','
       << (kind == 0     ? "bad"
           : kind == 1   ? ""
           : telling > 2 ? "good|strong"
                         : "good")
       << ',' << word_labels << '\n';
}

}  // namespace

void write_tiny_model(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  const nlohmann::ordered_json json{{"architectures", {"BertModel"}},
                                    {"model_type", "bert"},
                                    {"vocab_size", vocabulary().size()},
                                    {"hidden_size", 32},
                                    {"num_hidden_layers", 2},
                                    {"num_attention_heads", 2},
                                    {"intermediate_size", 64},
                                    {"max_position_embeddings", 64},
                                    {"type_vocab_size", 2},
                                    {"hidden_act", "gelu"},
                                    {"hidden_dropout_prob", 0.1},
                                    {"attention_probs_dropout_prob", 0.1},
                                    {"initializer_range", 0.1},
                                    {"layer_norm_eps", 1e-12},
                                    {"pad_token_id", 0}};
  write_file_atomically(folder / "config.json", json.dump(1));
  write_tokenizer(folder / "tokenizer.json");
  const auto model = make_model(read_model_config(folder), {HeadKind::sequence, 2});
  std::vector<std::vector<float>> values;
  std::vector<TensorToWrite> tensors;
  for (const Parameter& parameter : model->parameters().all()) {
    if (parameter.role == ParameterRole::head) continue;
    values.emplace_back(static_cast<std::size_t>(parameter.size()));
    initialize(values.back(), parameter.shape, parameter.initialization, 7, parameter.name);
    const auto extents = parameter.shape.extents();
    tensors.push_back({parameter.name, {extents.begin(), extents.end()}, {}});
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) tensors[i].values = values[i];
  write_safetensors(folder / "model.safetensors", tensors, {{"format", "pt"}});
}

void write_tiny_data(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  std::mt19937 engine(11);
  for (const auto& [name, rows] :
       {std::pair{"train", kTrainRows}, {"validation", kHeldOutRows}, {"test", kHeldOutRows}}) {
    std::ofstream file(folder / (std::string(name) + ".csv"));
    file << "text,label,score,tags,word_labels\n";
    for (int row = 0; row < rows; ++row) write_row(file, engine);
  }
}

std::string tiny_configuration() {
  return R"([model]
path = "model"
[data]
train = "data/train.csv"
validation = "data/validation.csv"
test = "data/test.csv"
max_length = 32
[train]
epochs = 3
batch_size = 32
learning_rate = 2e-3
[output]
log_every = 1
[run]
threads = 1
timeout_seconds = 60
)";
}

}  // namespace temper::testing_support

// temper tokenizer train: a vocabulary and merges learnt from text.
#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/counted.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "data/tables/table_reader.h"
#include "data/text/tokenizer_texts.h"
#include "data/tokenizer/byte_pair_training.h"
#include "data/tokenizer/trained_tokenizer.h"
#include "data/tokenizer/utf8.h"
#include "launch/commands/command.h"
#include "launch/commands/report.h"

namespace temper {
namespace {

constexpr const char* kDefaultToken = "<|endoftext|>";
/// Other ranks wait for the one that learns, however long the text is.
constexpr double kLongestTraining = 7.0 * 24 * 3600;

struct TokenizerArguments {
  std::vector<std::string> files;
  std::string output;
  std::string text = "text";
  std::int64_t vocabulary = 0;
  std::int64_t min_frequency = 0;
  std::vector<std::string> special;
  std::array<std::string, 4> roles;
  std::string alphabet = "bytes";
  WordSplit split;
  std::int64_t threads = 0;
  bool json = false;
};

constexpr std::array<const char*, 4> kRoles = {"bos_token", "eos_token", "pad_token", "unk_token"};

std::int64_t threads_of(const TokenizerArguments& arguments) {
  return arguments.threads > 0 ? arguments.threads : std::max(1U, std::thread::hardware_concurrency());
}

/// Files that the command would write over. A folder that has others, such as a config.json, may well be written into.
void refuse_existing(const std::filesystem::path& folder) {
  std::error_code ignored;
  if (std::filesystem::exists(folder, ignored) && !std::filesystem::is_directory(folder, ignored))
    throw Error("{}: is a file, expected a folder to write the tokenizer into; choose another --output",
                folder.string());
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
                           "vocab.txt", "vocab.json", "merges.txt"})
    if (std::filesystem::exists(folder / name, ignored))
      throw Error("{}: exists already; remove it, or choose another folder with --output", (folder / name).string());
}

/// The roles that were given, or the one token that is all of them where no token was.
std::vector<TokenRole> roles_of(const TokenizerArguments& arguments) {
  std::vector<TokenRole> roles;
  for (std::size_t i = 0; i < kRoles.size(); ++i)
    if (!arguments.roles[i].empty()) roles.emplace_back(kRoles[i], arguments.roles[i]);
  if (roles.empty() && arguments.special.empty()) return {{kRoles[0], kDefaultToken}, {kRoles[1], kDefaultToken}};
  return roles;
}

BytePairSettings settings_of(const TokenizerArguments& arguments, const std::vector<TokenRole>& roles) {
  if (arguments.alphabet != "bytes" && arguments.alphabet != "seen")
    throw usage_error("--alphabet is \"{}\", expected bytes or seen", arguments.alphabet);
  BytePairSettings settings;
  settings.vocabulary = arguments.vocabulary;
  settings.min_frequency = arguments.min_frequency;
  settings.all_bytes = arguments.alphabet == "bytes";
  const auto add = [&](const std::string& token) {
    std::vector<std::string>& all = settings.special_tokens;
    if (token.empty() || first_invalid_utf8(token) != std::string::npos)
      throw usage_error("a special token is {}; give it a text in UTF-8", token.empty() ? "empty" : "not UTF-8");
    if (std::find(all.begin(), all.end(), token) == all.end()) all.push_back(token);
  };
  for (const std::string& token : arguments.special) add(token);
  for (const TokenRole& role : roles) add(role.second);
  return settings;
}

void write_folder(const std::filesystem::path& folder, const TrainedTokenizerFiles& files) {
  std::error_code status;
  std::filesystem::create_directories(folder, status);
  if (status)
    throw Error("{}: the folder cannot be made: {}; choose another one with --output", folder.string(),
                status.message());
  write_file_atomically(folder / "tokenizer_config.json", files.tokenizer_config_json);
  write_file_atomically(folder / "tokenizer.json", files.tokenizer_json);
}

void train(const TokenizerArguments& arguments) {
  const std::vector<TokenRole> roles = roles_of(arguments);
  const BytePairSettings settings = settings_of(arguments, roles);
  const std::unique_ptr<PreTokenizer> split = make_word_split(arguments.split);
  refuse_existing(arguments.output);
  const std::vector<std::filesystem::path> files = files_named(arguments.files);
  print_notes(unread_file_notes(arguments.files));
  const CountedTexts counted_texts =
      count_words_of_files(files, arguments.text, *split, static_cast<int>(threads_of(arguments)));
  const BytePairs learnt = learn_byte_pairs(counted_texts.words.sorted(), settings);
  write_folder(arguments.output, trained_tokenizer_files(learnt, settings, arguments.split, roles));
  const auto tokens = static_cast<std::int64_t>(learnt.tokens.size());
  if (tokens < arguments.vocabulary)
    std::fprintf(stderr, "the texts give no more than %ld of the %ld tokens: no pair is left that is frequent enough\n",
                 tokens, arguments.vocabulary);
  if (arguments.json) {
    print_json({{"output", arguments.output},
                {"tokens", tokens},
                {"merges", learnt.merges.size()},
                {"special_tokens", settings.special_tokens.size()},
                {"texts", counted_texts.texts},
                {"bytes", counted_texts.bytes},
                {"distinct_words", counted_texts.words.size()}});
  } else {
    std::printf("%s and %s, learnt from %s (%s), are in %s\n", counted(tokens, "token").c_str(),
                counted(learnt.merges.size(), "merge").c_str(), counted(counted_texts.texts, "text").c_str(),
                counted(counted_texts.words.size(), "distinct word").c_str(), arguments.output.c_str());
  }
}

}  // namespace

Command add_tokenizer_command(const CommandLine& program) {
  auto arguments = std::make_shared<TokenizerArguments>();
  const CommandLine command = program.command("tokenizer", "Train a tokenizer");
  command.requires_command();
  const CommandLine learn = command.command(
      "train",
      "Learn a byte-level BPE tokenizer from text, with the merges that the tokenizers library would learn, and write "
      "it as tokenizer.json and tokenizer_config.json");
  learn
      .words("files", arguments->files,
             "Files of text, or patterns of files: .txt, whose lines are texts, .csv, .tsv, .jsonl or .json, each also "
             "with .gz")
      .required();
  learn.option("--vocabulary", arguments->vocabulary, "Number of tokens: special ones, bytes and merges")
      .within(1, 1 << 24)
      .required();
  learn.option("-o,--output", arguments->output, "Folder to write; it may hold a config.json already").required();
  learn.option("--text", arguments->text, "Column of the text in files that have columns").shows_default();
  learn
      .repeated("--special", arguments->special,
                "A special token, first ids first; by default, where no token has a role either, <|endoftext|>, which "
                "begins and ends texts")
      .value_name("TOKEN");
  learn.option("--bos-token", arguments->roles[0], "The special token that begins a text").value_name("TOKEN");
  learn.option("--eos-token", arguments->roles[1], "The special token that ends a text").value_name("TOKEN");
  learn.option("--pad-token", arguments->roles[2], "The special token that fills up rows").value_name("TOKEN");
  learn
      .option("--unk-token", arguments->roles[3],
              "The special token of what is unknown: of bytes that the texts lack, with --alphabet seen")
      .value_name("TOKEN");
  learn.option("--min-frequency", arguments->min_frequency, "Pairs that are rarer are not merged")
      .within(0, std::int64_t{1} << 40)
      .shows_default();
  learn
      .option("--alphabet", arguments->alphabet,
              "bytes: any text has tokens; seen: only bytes that the texts hold become tokens")
      .shows_default();
  learn.option("--split", arguments->split.rule, "How texts are cut into words: as gpt2, llama3 or qwen2 do")
      .shows_default();
  learn.flag("--prefix-space", arguments->split.prefix_space,
             "Put a space before each text that has none, so that its first word is like all others (gpt2)");
  learn.option("--threads", arguments->threads, "Threads that read; default: as many as there are CPUs")
      .within(1, 1024);
  learn.flag("--json", arguments->json, "Print one JSON object as the last line");
  for (const CommandLine& one : {command, learn})
    one.footer("Example:\n  temper tokenizer train data/*.txt --vocabulary 8192 --output models/small");
  return {command,
          [arguments](CommandContext& context) {
            if (context.speaks()) train(*arguments);
            context.world.barrier();
            return kExitDone;
          },
          /*stops_cleanly=*/false, /*needs_ranks=*/true, [] { return kLongestTraining; }};
}

}  // namespace temper

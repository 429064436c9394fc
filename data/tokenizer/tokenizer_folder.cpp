#include "data/tokenizer/tokenizer_folder.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/digest.h"
#include "base/error.h"
#include "data/tokenizer/chat_files.h"
#include "data/tokenizer/class_document.h"
#include "data/tokenizer/json_file.h"
#include "data/tokenizer/tokenizer_differences.h"
#include "data/tokenizer/vocabulary_files.h"

namespace temper {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kSentencePieceFiles[] = {"spiece.model", "sentencepiece.bpe.model", "tokenizer.model",
                                               "spm.model"};

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// The line that makes a tokenizer.json of whatever transformers reads.
std::string conversion(const fs::path& folder) {
  return fmt::format(
      "python -c \"from transformers import AutoTokenizer as T; T.from_pretrained('{0}').save_pretrained('{0}')\"",
      folder.string());
}

[[noreturn]] void refuse_without_tokenizer(const fs::path& folder, const TokenizerClass& tokenizer_class) {
  for (const char* name : kSentencePieceFiles)
    if (is_there(folder / name))
      throw Error("{}: has no tokenizer.json, and {} is not read; make a tokenizer.json of it: {}", folder.string(),
                  name, conversion(folder));
  const std::vector<std::string> files = tokenizer_class.vocabulary_files();
  for (const char* name : {"vocab.txt", "vocab.json"})
    if (is_there(folder / name))
      throw Error("{}: has {} but no tokenizer.json, of which the class {} would make{}; make a tokenizer.json: {}",
                  folder.string(), name, tokenizer_class.name,
                  files.empty() ? " its tokenizer" : fmt::format(" its tokenizer (or of {})", fmt::join(files, ", ")),
                  conversion(folder));
  throw Error("{}: has no tokenizer.json{}; fetch the files of the tokenizer, too, or save them there: {}",
              folder.string(), files.empty() ? "" : fmt::format(" (nor {})", fmt::join(files, ", ")),
              conversion(folder));
}

/// The file without tokenizer.json: the vocabulary, and a document that is to be filled.
TokenizerFile read_vocabulary(const fs::path& folder, const TokenizerClass& tokenizer_class) {
  const std::vector<std::string> files = tokenizer_class.vocabulary_files();
  const bool whole = !files.empty() && std::all_of(files.begin(), files.end(),
                                                   [&](const std::string& name) { return is_there(folder / name); });
  if (!whole) refuse_without_tokenizer(folder, tokenizer_class);
  TokenizerFile file;
  file.name = (folder / files.front()).string();
  file.document = json::object();
  if (files.front() == "vocab.txt") {
    read_vocab_txt(folder / "vocab.txt", file);
  } else {
    read_vocab_json(folder / "vocab.json", file);
    read_merges_txt(folder / "merges.txt", file);
  }
  for (const std::string& name : files) file.digest += sha256_file(folder / name);
  return file;
}

/// A vocabulary without the token for what it lacks belongs to another class, or is none.
void require_unknown_token(const TokenizerFolder& folder) {
  const TokenizerFile& file = folder.file;
  const std::string unknown = folder.tokens.name("unk_token").value_or("");
  const auto is_unknown = [&](const VocabularyEntry& entry) {
    return std::string_view(file.vocabulary_text).substr(entry.offset, entry.length) == unknown;
  };
  if (std::none_of(file.vocabulary.begin(), file.vocabulary.end(), is_unknown))
    throw Error(
        "{}: has no \"{}\" among its {} tokens, one a line, so it is not the vocabulary of a {}; fetch the file again, "
        "or make a tokenizer.json of what belongs there: {}",
        file.name, unknown, file.vocabulary.size(), folder.tokenizer_class.name, conversion(folder.path));
}

/// What tokenizer.json calls its model; old files leave that out, but then a class knows what it reads.
std::string stored_model_type(const json& document, std::string_view otherwise) {
  const auto model = document.find("model");
  if (model == document.end() || !model->is_object()) return std::string(otherwise);
  const auto type = model->find("type");
  return type != model->end() && type->is_string() ? type->get<std::string>() : std::string(otherwise);
}

/// Whether the model is given segments.
bool uses_token_types(const json& config, const TokenizerClass& tokenizer_class) {
  const auto names = config.find("model_input_names");
  if (names == config.end() || !names->is_array()) return tokenizer_class.token_types;
  return std::find(names->begin(), names->end(), json("token_type_ids")) != names->end();
}

/// "left" or "right"; nothing where the settings do not say.
std::optional<bool> configured_side(const FolderSettings& settings) {
  const auto side = settings.config.find("truncation_side");
  if (side == settings.config.end() || side->is_null()) return std::nullopt;
  const JsonNode node(*side, settings.config_name, "truncation_side");
  if (node.text() != "left" && node.text() != "right") throw node.unexpected("\"left\" or \"right\"");
  return node.text() == "left";
}

/// A class that takes tokenizer.json as it is takes no notice of these.
void note_ignored_settings(const FolderSettings& settings, TokenizerFolder& folder) {
  const auto normalizer = folder.file.document.find("normalizer");
  if (normalizer == folder.file.document.end() || !normalizer->is_object()) return;
  const std::pair<const char*, const char*> keys[] = {{"do_lower_case", "lowercase"},
                                                      {"strip_accents", "strip_accents"},
                                                      {"tokenize_chinese_chars", "handle_chinese_chars"}};
  for (const auto& [key, stored_key] : keys) {
    const auto wanted = settings.config.find(key);
    const auto stored = normalizer->find(stored_key);
    if (wanted == settings.config.end() || stored == normalizer->end() || *wanted == *stored) continue;
    folder.notes.push_back(
        fmt::format("{}: {} is {} there and {} in tokenizer.json; the class {} follows tokenizer.json, and so does "
                    "this run",
                    settings.config_name, key, wanted->dump(), stored->dump(), folder.tokenizer_class.name));
  }
}

void note_clauses(const std::vector<std::string>& clauses, const FolderSettings& settings, bool has_config,
                  TokenizerFolder& folder) {
  if (clauses.empty()) return;
  const std::string& name = folder.tokenizer_class.name;
  folder.notes.push_back(
      has_config ? fmt::format("{} and tokenizer.json disagree; as transformers does ({}), {}", settings.config_name,
                               name, fmt::join(clauses, ", "))
                 : fmt::format("{}: has no tokenizer_config.json, so transformers ({}) takes its defaults, as is done "
                               "here: {}",
                               folder.path.string(), name, fmt::join(clauses, ", ")));
}

/// Puts the tokens in place of those of the document, where they differ; says how. Their ids are left to the tokenizer.
std::vector<std::string> list_added_tokens(TokenizerFile& file, const std::vector<AddedToken>& tokens) {
  json list = json::array();
  for (const AddedToken& token : tokens) list.push_back(to_json(token, 0));
  std::vector<std::string> clauses = token_differences(file.document.value("added_tokens", json::array()), list);
  if (!clauses.empty()) file.document["added_tokens"] = std::move(list);
  return clauses;
}

}  // namespace

TokenizerFolder read_tokenizer_folder(const fs::path& path, TruncationSide side) {
  TokenizerFolder folder;
  folder.path = path;
  FolderSettings settings;
  settings.config_name = (path / "tokenizer_config.json").string();
  const std::optional<json> config = read_optional_object(path / "tokenizer_config.json");
  settings.config = config.value_or(json::object());
  settings.special_tokens_map = read_optional_object(path / "special_tokens_map.json").value_or(json());
  settings.added_tokens = read_optional_object(path / "added_tokens.json").value_or(json());
  folder.config = settings.config;
  const json model_config = read_optional_object(path / "config.json").value_or(json::object());
  folder.tokenizer_class = tokenizer_class_of(settings.config, model_config, path.string());
  if (const auto split = settings.config.find("split_special_tokens");
      split != settings.config.end() && *split == json(true))
    throw Error("{}: split_special_tokens is true, expected false: texts with special tokens in them are not split",
                settings.config_name);

  folder.has_tokenizer_json = is_there(path / "tokenizer.json");
  TokenizerFile& file = folder.file;
  file = folder.has_tokenizer_json ? read_tokenizer_file(path / "tokenizer.json")
                                   : read_vocabulary(path, folder.tokenizer_class);
  const std::string files_digest = file.digest;
  if (folder.has_tokenizer_json) {
    const std::string_view wanted = folder.tokenizer_class.model_type();
    const std::string stored = stored_model_type(file.document, wanted);
    if (!wanted.empty() && stored != wanted) {
      folder.notes.push_back(fmt::format(
          "{}: holds a {} model, of whose vocabulary transformers ({}) would make {}; tokenizer.json is used as it is, "
          "and a model that is trained here says so to transformers",
          file.name, stored, folder.tokenizer_class.name, wanted));
      folder.tokenizer_class = {"PreTrainedTokenizerFast", TokenizerBuild::as_stored,
                                folder.tokenizer_class.token_types};
    }
  }
  const bool builds = folder.tokenizer_class.build != TokenizerBuild::as_stored;
  json stored;  // of vocabularies that a document holds in a list, there is nothing to build
  if (folder.has_tokenizer_json) {
    stored = builds ? file.document : json{{"added_tokens", file.document.value("added_tokens", json::array())}};
    settings.stored = &stored;
  }
  folder.tokens = gather_tokens(settings, folder.tokenizer_class);
  if (!folder.has_tokenizer_json && folder.tokenizer_class.model_type() == "WordPiece") require_unknown_token(folder);
  if (builds) {
    build_class_document(file, folder.tokenizer_class, settings, folder.tokens);
    folder.changed = !folder.has_tokenizer_json || file.document != stored;
    if (folder.has_tokenizer_json) {
      note_clauses(differences(stored, file), settings, config.has_value(), folder);
    } else {
      folder.notes.push_back(fmt::format(
          "{}: has no tokenizer.json; the tokenizer is made of {} as transformers ({}) "
          "makes it",
          path.string(), fmt::join(folder.tokenizer_class.vocabulary_files(), " and "), folder.tokenizer_class.name));
    }
  } else {
    note_ignored_settings(settings, folder);
    if (const std::vector<std::string> clauses = list_added_tokens(file, folder.tokens.added); !clauses.empty()) {
      folder.changed = true;
      note_clauses(clauses, settings, config.has_value(), folder);
    }
  }

  if (const std::optional<bool> left = configured_side(settings)) file.cuts_left = *left;
  if (side != TruncationSide::as_tokenizer) file.cuts_left = side == TruncationSide::left;
  if (const auto truncation = file.document.find("truncation");
      truncation != file.document.end() && truncation->is_object()) {
    const json direction = file.cuts_left ? "Left" : "Right";
    folder.changed = folder.changed || truncation->value("direction", json("Right")) != direction;
    (*truncation)["direction"] = direction;
  }
  file.end_token = folder.tokens.name("eos_token").value_or("");
  file.chat = read_chat_files(path, settings.config, folder.tokens);
  file.token_types = uses_token_types(settings.config, folder.tokenizer_class);
  file.digest = sha256_hex(fmt::format("{}\n{}\n{}\n{}", files_digest, folder.changed ? file.document.dump() : "",
                                       file.cuts_left, file.token_types));
  return folder;
}

}  // namespace temper

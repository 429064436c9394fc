// Reading tokenizer.json. Vocabulary and merges are nine tenths of the file and go straight into flat arrays, which
// takes a fraction of the time and memory of a document tree; the rest becomes one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/tokenizer/json_node.h"
#include "data/tokenizer/vocabulary.h"

namespace temper {

/// A BPE merge: two neighbours in the text of the merges.
struct Merge {
  std::uint32_t offset;  // of the first
  std::uint32_t first_length;
  std::uint32_t second_length;
};

/// An id beyond this is a mistake in the file rather than a vocabulary.
inline constexpr std::int64_t kHighestTokenId = (1 << 24) - 1;

/// What a tokenizer's files say about conversations.
struct ChatFiles {
  std::map<std::string, std::string> templates;                     ///< by name: "default", "tool_use", ...
  std::vector<std::pair<std::string, std::string>> special_tokens;  ///< "bos_token" and its text, where there is one
  std::string place;                                                ///< where they stand, for messages
};

struct TokenizerFile {
  std::string name;         // of the file, for messages
  std::string digest;       // sha256_hex of its bytes, or of all that the tokenizer was made of
  nlohmann::json document;  // everything but model.vocab (if it is an object) and model.merges

  std::string vocabulary_text;
  std::vector<VocabularyEntry> vocabulary;
  std::vector<double> scores;  // by id, of a vocabulary that is a list; empty until take_listed_vocabulary()
  std::string merges_text;
  std::vector<Merge> merges;
  bool has_merges = false;  // model.merges is there, perhaps empty

  bool cuts_left = false;   // texts that are too long lose their beginning; as truncation.direction says
  ChatFiles chat;           // what its folder says about conversations
  std::string end_token;    // what stands behind a text, as the folder names it (eos_token); empty: it names none
  bool token_types = true;  // false: all tokens have the segment 0, whatever the post-processor says

  [[nodiscard]] JsonNode root() const { return {document, name, ""}; }
  [[nodiscard]] std::string_view first_of(const Merge& merge) const {
    return std::string_view(merges_text).substr(merge.offset, merge.first_length);
  }
  [[nodiscard]] std::string_view second_of(const Merge& merge) const {
    return std::string_view(merges_text).substr(merge.offset + merge.first_length, merge.second_length);
  }
};

/// Moves a vocabulary of the form [["token", score], ...], as Unigram has it, from document.model.vocab to
/// `vocabulary` and `scores`; does nothing where there is none. Throws Error for an entry of another form.
void take_listed_vocabulary(TokenizerFile& file);

/// Of the members `truncation` and `padding`, the side on which texts are cut is read alone. Throws Error if the file
/// cannot be read, is not JSON (with the byte offset), or has a vocabulary or merges of a
/// wrong form.
TokenizerFile read_tokenizer_file(const std::filesystem::path& path);

}  // namespace temper

// Text to the ids that a pre-trained network knows, and back: what tokenizer.json says, exactly as the Hugging Face
// library does it. The way of a text: added tokens are taken out, the rest is normalised, cut into words, and each
// word into tokens; special tokens are put around the result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace temper {

struct ChatFiles;
class PieceMemo;
struct TokenizerFile;

struct Encoding {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> types;  // segment of each token
};

/// Immutable after load and safe to share among threads.
class Tokenizer {
 public:
  /// Reads tokenizer.json alone (for a model folder, tokenizer_folder.h). Throws Error naming the file, the member,
  /// what was found and what is supported.
  static std::unique_ptr<Tokenizer> load(const std::filesystem::path& tokenizer_json);

  /// Puts a tokenizer together from a file that was read, and perhaps changed since (tokenizer_file.h). Throws Error as
  /// load does.
  static std::unique_ptr<Tokenizer> from_file(TokenizerFile file);
  ~Tokenizer();

  /// One text with its special tokens, cut to at most `max_length` tokens, special ones included; on the right, or on
  /// the left where cuts_left().
  /// Throws Error if the text is not valid UTF-8 (naming the byte offset) or the special tokens alone are too many.
  Encoding encode(std::string_view text, std::size_t max_length) const;

  /// Two texts with their special tokens. Where they are too long, the longer one is cut first, until both are equally
  /// long, then both in turn (the strategy longest_first), each on the side that encode cuts. Throws Error as encode
  /// does.
  Encoding encode_pair(std::string_view first, std::string_view second, std::size_t max_length) const;

  /// One text without special tokens, of any length. Throws Error if it is not valid UTF-8.
  std::vector<std::int32_t> encode_plain(std::string_view text) const;

  /// The same of a text of which bytes [begin, end), rising spans, come from somebody who may have written anything:
  /// whatever they spell, no special token holds one of them.
  std::vector<std::int32_t> encode_plain(std::string_view text,
                                         std::span<const std::pair<std::size_t, std::size_t>> untrusted) const;
  /// The same ids, of which those of pieces that the memo knows are taken from it; it takes in the others.
  std::vector<std::int32_t> encode_plain(std::string_view text,
                                         std::span<const std::pair<std::size_t, std::size_t>> untrusted,
                                         PieceMemo& memo) const;

  /// The special tokens of one text put around ids that encode_plain gave, which are cut, as encode does, so that at
  /// most `max_length` tokens come out. For rows that are put together word by word.
  Encoding with_special_tokens(std::span<const std::int32_t> ids, std::size_t max_length) const;

  /// The text of a row of ids; ids that no token has are left out.
  std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const;

  /// Highest id + 1, added tokens included.
  std::int32_t vocabulary_size() const;
  /// Highest id + 1 of the tokens that texts are split into, without those that were added.
  std::int32_t model_vocabulary_size() const;
  std::optional<std::int32_t> id_of(std::string_view token) const;
  /// The token of an id as tokenizer.json writes it; empty if no token has this id.
  std::string_view token(std::int32_t id) const;
  bool is_special(std::int32_t id) const;
  /// Bytes of text that a token spells: of the byte alphabet one per character, of <0x00> to <0xFF> one, U+2581 for the
  /// space that it stands for; of special tokens, and where no token has this id, none.
  std::int64_t bytes_of(std::int32_t id) const;

  /// What the folder of the tokenizer calls the end of a text (eos_token), or an empty text; the vocabulary need not
  /// have it.
  const std::string& end_token() const;
  /// What the folder of the tokenizer says about conversations (data/chat reads it).
  const ChatFiles& chat() const;
  /// Whether a text that is too long loses its beginning rather than its end.
  bool cuts_left() const;
  /// Whether there is a special token before the first of a text.
  bool begins_with_special_token() const;

  /// SHA-256 in hexadecimal of what the tokenizer was made of, as a part of cache keys.
  const std::string& digest() const;

 private:
  struct Parts;
  explicit Tokenizer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace temper

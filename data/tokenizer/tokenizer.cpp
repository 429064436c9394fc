#include "data/tokenizer/tokenizer.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"
#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/decoder.h"
#include "data/tokenizer/normalizer.h"
#include "data/tokenizer/piece_memo.h"
#include "data/tokenizer/post_processor.h"
#include "data/tokenizer/pre_tokenizer.h"
#include "data/tokenizer/token_model.h"
#include "data/tokenizer/tokenizer_file.h"
#include "data/tokenizer/utf8.h"
#include "data/tokenizer/vocabulary.h"
#include "data/tokenizer/workspace.h"

namespace temper {

struct Tokenizer::Parts {
  explicit Parts(TokenizerFile file)
      : vocabulary(std::move(file.vocabulary_text), file.vocabulary),
        normalizer(make_normalizer(file.root())),
        pre_tokenization(make_pre_tokenizer(file.root(), takes_bytes(file))),
        model(make_token_model(file, vocabulary, pre_tokenization.byte_level)),
        added_tokens(file.root(), vocabulary, normalizer.get()),
        vocabulary_size(std::max(vocabulary.size(), added_tokens.size())),
        post_processor(make_post_processor(file.root(), vocabulary_size)),
        decoder(make_decoder(file.root())),
        cuts_left(file.cuts_left),
        end_token(std::move(file.end_token)),
        chat(std::move(file.chat)),
        digest(std::move(file.digest)) {
    if (file.token_types) return;
    for (std::vector<TemplatePiece>* pieces : {&post_processor.single, &post_processor.pair})
      for (TemplatePiece& piece : *pieces) piece.type = 0;
  }

  /// Replaces `ids` by those of a text, at most `limit` of them.
  void encode(std::string_view text, std::size_t limit, Workspace& workspace, std::vector<std::int32_t>& ids,
              PlainSpans untrusted = {}, PieceMemo* memo = nullptr) const;
  /// Appends the ids of a piece between added tokens. `untrusted`: rising spans of its bytes, none of them empty.
  void append_piece(std::string_view piece, bool at_start, PlainSpans untrusted, std::size_t limit,
                    Workspace& workspace, std::vector<std::int32_t>& ids) const;
  /// Appends the ids of a part of it without added tokens that normalising does not change. `may_be_special`: the
  /// others are found in it.
  void append_part(std::string_view text, bool at_start, bool may_be_special, std::size_t limit, Workspace& workspace,
                   std::vector<std::int32_t>& ids) const;
  /// Special tokens that normalising a text brings out.
  std::size_t special_tokens_in(std::string_view text, Workspace& workspace) const;
  /// Appends the ids of a part of it. `at_start`: whether it is the beginning of the text.
  void append_words(std::string_view text, bool at_start, std::size_t limit, Workspace& workspace,
                    std::vector<std::int32_t>& ids) const;
  /// Appends the ids of a word, or a part of one that stands for itself.
  void append_word(std::string_view word, Workspace& workspace, std::vector<std::int32_t>& ids) const;
  /// The `room` ids, or fewer, that are left of a text.
  [[nodiscard]] std::span<const std::int32_t> cut(std::span<const std::int32_t> ids, std::size_t room) const {
    const std::size_t kept = std::min(ids.size(), room);
    return cuts_left ? ids.last(kept) : ids.first(kept);
  }

  Vocabulary vocabulary;
  std::unique_ptr<Normalizer> normalizer;  // may be null
  PreTokenization pre_tokenization;
  std::unique_ptr<TokenModel> model;
  AddedTokens added_tokens;
  std::int32_t vocabulary_size;
  PostProcessor post_processor;
  std::unique_ptr<Decoder> decoder;
  bool cuts_left;
  std::string end_token;
  ChatFiles chat;
  std::string digest;
  mutable WorkspacePool workspaces;
};

void Tokenizer::Parts::append_word(std::string_view word, Workspace& workspace, std::vector<std::int32_t>& ids) const {
  if (word.size() > WordCache::kLongestWord) {
    model->append_ids(word, ids);
    return;
  }
  const WordCache::Key key = WordCache::key(word);
  const std::span<const std::int32_t> known = workspace.cache.find(key);
  if (!known.empty()) {
    ids.insert(ids.end(), known.begin(), known.end());
    return;
  }
  const std::size_t before = ids.size();
  model->append_ids(word, ids);
  workspace.cache.insert(key, std::span(ids).subspan(before));
}

void Tokenizer::Parts::append_words(std::string_view text, bool at_start, std::size_t limit, Workspace& workspace,
                                    std::vector<std::int32_t>& ids) const {
  const PreTokenizer& pre_tokenizer = *pre_tokenization.pre_tokenizer;
  const std::string_view prepared = pre_tokenizer.prepare(text, at_start, workspace.prepared);
  for (std::size_t position = 0; position < prepared.size() && ids.size() < limit;) {
    position = pre_tokenizer.next_words(prepared, position, workspace.words);
    for (std::string_view word : workspace.words) {
      while (word.size() > WordCache::kLongestWord) {
        const std::size_t part = model->first_part(word);
        append_word(word.substr(0, part), workspace, ids);
        word.remove_prefix(part);
      }
      if (!word.empty()) append_word(word, workspace, ids);
    }
  }
}

void Tokenizer::Parts::append_part(std::string_view text, bool at_start, bool may_be_special, std::size_t limit,
                                   Workspace& workspace, std::vector<std::int32_t>& ids) const {
  std::string_view normalized = text;
  if (normalizer) {
    at_start = normalizer->normalize(text, workspace.normalized) && at_start;
    normalized = workspace.normalized;
  }
  const std::pair<std::size_t, std::size_t> all{0, normalized.size()};
  added_tokens.normalized().split(normalized, workspace.normalized_pieces,
                                  may_be_special ? PlainSpans() : PlainSpans(&all, 1));
  for (const TokenFinder::Piece& part : workspace.normalized_pieces) {
    if (part.token != nullptr) {
      ids.push_back(part.token->id);
    } else {
      append_words(part.text, at_start && part.text.data() == normalized.data(), limit, workspace, ids);
    }
  }
}

std::size_t Tokenizer::Parts::special_tokens_in(std::string_view text, Workspace& workspace) const {
  std::string_view normalized = text;
  if (normalizer) {
    normalizer->normalize(text, workspace.normalized);
    normalized = workspace.normalized;
  }
  added_tokens.normalized().split(normalized, workspace.normalized_pieces);
  return static_cast<std::size_t>(
      std::count_if(workspace.normalized_pieces.begin(), workspace.normalized_pieces.end(),
                    [](const TokenFinder::Piece& part) { return part.token != nullptr && part.token->special; }));
}

void Tokenizer::Parts::append_piece(std::string_view piece, bool at_start, PlainSpans untrusted, std::size_t limit,
                                    Workspace& workspace, std::vector<std::int32_t>& ids) const {
  // Normalising loses the places of bytes. So where it brings out special tokens that the trusted parts do not have
  // by themselves, each part is tokenised for itself.
  std::vector<std::pair<std::string_view, bool>> parts;  // and whether each is trusted
  std::size_t done = 0;
  for (const auto& [first, last] : untrusted) {
    if (done < first) parts.emplace_back(piece.substr(done, first - done), true);
    parts.emplace_back(piece.substr(first, last - first), false);
    done = last;
  }
  if (!parts.empty() && done < piece.size()) parts.emplace_back(piece.substr(done), true);
  std::size_t special = parts.empty() ? 0 : special_tokens_in(piece, workspace);
  if (special > 0)
    for (const auto& [part, trusted] : parts)
      special -= std::min(special, trusted ? special_tokens_in(part, workspace) : 0);
  if (special == 0) {
    append_part(piece, at_start, true, limit, workspace, ids);
    return;
  }
  for (const auto& [part, trusted] : parts)
    append_part(part, at_start && part.data() == piece.data(), trusted, limit, workspace, ids);
}

void Tokenizer::Parts::encode(std::string_view text, std::size_t limit, Workspace& workspace,
                              std::vector<std::int32_t>& ids, PlainSpans untrusted, PieceMemo* memo) const {
  require_utf8(text);
  ids.clear();
  added_tokens.plain().split(text, workspace.pieces, untrusted);
  std::vector<std::pair<std::size_t, std::size_t>> inside;  // the spans of a piece
  std::size_t next = 0;                                     // span
  for (const TokenFinder::Piece& piece : workspace.pieces) {
    if (ids.size() >= limit) break;
    if (piece.token != nullptr) {
      ids.push_back(piece.token->id);
      continue;
    }
    const bool at_start = piece.text.data() == text.data();
    const auto begin = static_cast<std::size_t>(piece.text.data() - text.data());
    const std::size_t end = begin + piece.text.size();
    while (next < untrusted.size() && untrusted[next].second <= begin) ++next;
    inside.clear();
    for (std::size_t i = next; i < untrusted.size() && untrusted[i].first < end; ++i) {
      const std::size_t from = std::max(untrusted[i].first, begin);
      const std::size_t to = std::min(untrusted[i].second, end);
      if (from < to) inside.emplace_back(from - begin, to - begin);
    }
    if (memo == nullptr) {
      append_piece(piece.text, at_start, inside, limit, workspace, ids);
      continue;
    }
    std::string key = PieceMemo::key(piece.text, inside, at_start);
    if (const std::vector<std::int32_t>* known = memo->find(key)) {
      ids.insert(ids.end(), known->begin(), known->end());
    } else {
      const std::size_t before = ids.size();
      append_piece(piece.text, at_start, inside, limit, workspace, ids);
      memo->insert(std::move(key), std::span(ids).subspan(before));
    }
  }
  if (ids.size() > limit) ids.resize(limit);
}

namespace {

/// Tokens that the special ones of a template leave to the texts.
std::size_t room_for_text(std::span<const TemplatePiece> pieces, std::size_t max_length) {
  const std::size_t special = special_tokens(pieces);
  if (max_length < special)
    throw Error("the length limit of {} tokens is below the {} special tokens that every example has; raise it",
                max_length, special);
  return max_length - special;
}

/// How often a template has a text; at least 1, so that a text it leaves out is cut like any other.
std::size_t uses(std::span<const TemplatePiece> pieces, TemplatePiece::Kind text) {
  const auto count = std::count_if(pieces.begin(), pieces.end(), [&](const auto& piece) { return piece.kind == text; });
  return std::max<std::size_t>(1, static_cast<std::size_t>(count));
}

/// How many tokens of its one text a template has room for.
std::size_t room_for_first(std::span<const TemplatePiece> pieces, std::size_t max_length) {
  return room_for_text(pieces, max_length) / uses(pieces, TemplatePiece::Kind::first);
}

/// How much of two texts of `first` and `second` tokens is kept in `room` tokens.
std::pair<std::size_t, std::size_t> longest_first(std::size_t first, std::size_t second, std::size_t room) {
  if (first + second <= room) return {first, second};
  const bool first_is_longer = first > second;
  const std::size_t shorter = std::min(first, second);
  // Halves, of which the longer text has the larger; a text shorter than its half leaves the rest to the other.
  const std::size_t kept_shorter = std::min(shorter, room / 2);
  const std::size_t kept_longer = room - kept_shorter;
  return first_is_longer ? std::pair(kept_longer, kept_shorter) : std::pair(kept_shorter, kept_longer);
}

/// The same for a template that may have a text more than once.
std::pair<std::size_t, std::size_t> longest_first(std::size_t first, std::size_t second,
                                                  std::span<const TemplatePiece> pieces, std::size_t max_length) {
  const std::size_t room = room_for_text(pieces, max_length);
  const std::size_t first_uses = uses(pieces, TemplatePiece::Kind::first);
  const std::size_t second_uses = uses(pieces, TemplatePiece::Kind::second);
  if (first_uses * first + second_uses * second <= room) return {first, second};
  return longest_first(first, second, room / std::max(first_uses, second_uses));
}

Encoding apply(std::span<const TemplatePiece> pieces, std::span<const std::int32_t> first,
               std::span<const std::int32_t> second) {
  Encoding encoding;
  const std::size_t most = first.size() + second.size() + pieces.size();
  encoding.ids.reserve(most);
  encoding.types.reserve(most);
  for (const TemplatePiece& piece : pieces) {
    switch (piece.kind) {
      case TemplatePiece::Kind::special:
        encoding.ids.push_back(piece.id);
        break;
      case TemplatePiece::Kind::first:
        encoding.ids.insert(encoding.ids.end(), first.begin(), first.end());
        break;
      case TemplatePiece::Kind::second:
        encoding.ids.insert(encoding.ids.end(), second.begin(), second.end());
        break;
    }
    encoding.types.resize(encoding.ids.size(), piece.type);
  }
  return encoding;
}

constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Tokenizer::~Tokenizer() = default;

std::unique_ptr<Tokenizer> Tokenizer::load(const std::filesystem::path& tokenizer_json) {
  return from_file(read_tokenizer_file(tokenizer_json));
}

std::unique_ptr<Tokenizer> Tokenizer::from_file(TokenizerFile file) {
  take_listed_vocabulary(file);
  return std::unique_ptr<Tokenizer>(new Tokenizer(std::make_unique<Parts>(std::move(file))));
}

Encoding Tokenizer::encode(std::string_view text, std::size_t max_length) const {
  const std::vector<TemplatePiece>& pieces = parts_->post_processor.single;
  const std::size_t room = room_for_first(pieces, max_length);
  const WorkspacePool::Lease workspace = parts_->workspaces.take();
  // Whoever keeps the end of a text must have seen all of it.
  parts_->encode(text, parts_->cuts_left ? kUnlimited : room, *workspace, workspace->ids);
  return apply(pieces, parts_->cut(workspace->ids, room), {});
}

Encoding Tokenizer::encode_pair(std::string_view first, std::string_view second, std::size_t max_length) const {
  const std::vector<TemplatePiece>& pieces = parts_->post_processor.pair;
  const WorkspacePool::Lease workspace = parts_->workspaces.take();
  parts_->encode(first, kUnlimited, *workspace, workspace->ids);
  parts_->encode(second, kUnlimited, *workspace, workspace->second_ids);
  const auto [kept_first, kept_second] =
      longest_first(workspace->ids.size(), workspace->second_ids.size(), pieces, max_length);
  return apply(pieces, parts_->cut(workspace->ids, kept_first), parts_->cut(workspace->second_ids, kept_second));
}

std::vector<std::int32_t> Tokenizer::encode_plain(std::string_view text) const {
  const WorkspacePool::Lease workspace = parts_->workspaces.take();
  parts_->encode(text, kUnlimited, *workspace, workspace->ids);
  return workspace->ids;
}

std::vector<std::int32_t> Tokenizer::encode_plain(
    std::string_view text, std::span<const std::pair<std::size_t, std::size_t>> untrusted) const {
  const WorkspacePool::Lease workspace = parts_->workspaces.take();
  parts_->encode(text, kUnlimited, *workspace, workspace->ids, untrusted);
  return workspace->ids;
}

std::vector<std::int32_t> Tokenizer::encode_plain(std::string_view text,
                                                  std::span<const std::pair<std::size_t, std::size_t>> untrusted,
                                                  PieceMemo& memo) const {
  const WorkspacePool::Lease workspace = parts_->workspaces.take();
  parts_->encode(text, kUnlimited, *workspace, workspace->ids, untrusted, &memo);
  return workspace->ids;
}

Encoding Tokenizer::with_special_tokens(std::span<const std::int32_t> ids, std::size_t max_length) const {
  const std::vector<TemplatePiece>& pieces = parts_->post_processor.single;
  return apply(pieces, parts_->cut(ids, room_for_first(pieces, max_length)), {});
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const std::int32_t id : ids) {
    if (const AddedToken* added = parts_->added_tokens.find(id); added != nullptr) {
      // The library looks up the decoded form, so a special token that normalising changes is never skipped.
      const AddedToken* named = parts_->added_tokens.find(added->decoded);
      if (skip_special_tokens && named != nullptr && named->special) continue;
      tokens.push_back(added->decoded);
    } else if (const std::optional<std::string_view> known = parts_->vocabulary.token(id)) {
      tokens.emplace_back(*known);
    }
  }
  std::string text;
  for (const std::string& piece : parts_->decoder->decode(std::move(tokens))) text += piece;
  return text;
}

std::int32_t Tokenizer::vocabulary_size() const { return parts_->vocabulary_size; }

std::int32_t Tokenizer::model_vocabulary_size() const { return parts_->vocabulary.size(); }

std::optional<std::int32_t> Tokenizer::id_of(std::string_view token) const {
  if (const AddedToken* added = parts_->added_tokens.find(token); added != nullptr) return added->id;
  return parts_->vocabulary.find(token);
}

std::string_view Tokenizer::token(std::int32_t id) const {
  if (const AddedToken* added = parts_->added_tokens.find(id); added != nullptr) return added->content;
  return parts_->vocabulary.token(id).value_or(std::string_view());
}

bool Tokenizer::is_special(std::int32_t id) const {
  const AddedToken* added = parts_->added_tokens.find(id);
  return added != nullptr && added->special;
}

const ChatFiles& Tokenizer::chat() const { return parts_->chat; }

const std::string& Tokenizer::end_token() const { return parts_->end_token; }

std::int64_t Tokenizer::bytes_of(std::int32_t id) const {
  if (const AddedToken* added = parts_->added_tokens.find(id); added != nullptr)
    return added->special ? 0 : static_cast<std::int64_t>(added->content.size());
  const std::string_view token = parts_->vocabulary.token(id).value_or(std::string_view());
  if (parts_->pre_tokenization.byte_level) {
    static const ByteAlphabet alphabet;
    if (const std::optional<std::string> bytes = alphabet.bytes(token)) return static_cast<std::int64_t>(bytes->size());
    return static_cast<std::int64_t>(token.size());
  }
  if (token.size() == 6 && token.starts_with("<0x") && token.ends_with('>')) return 1;
  constexpr std::string_view kSpace = "\xE2\x96\x81";
  auto bytes = static_cast<std::int64_t>(token.size());
  for (std::size_t at = token.find(kSpace); at != std::string_view::npos; at = token.find(kSpace, at + kSpace.size()))
    bytes -= static_cast<std::int64_t>(kSpace.size()) - 1;
  return bytes;
}

bool Tokenizer::cuts_left() const { return parts_->cuts_left; }

bool Tokenizer::begins_with_special_token() const {
  const std::vector<TemplatePiece>& pieces = parts_->post_processor.single;
  return !pieces.empty() && pieces.front().kind == TemplatePiece::Kind::special;
}

const std::string& Tokenizer::digest() const { return parts_->digest; }

}  // namespace temper

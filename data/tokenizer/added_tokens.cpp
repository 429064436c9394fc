#include "data/tokenizer/added_tokens.h"

#include <algorithm>
#include <utility>

#include "data/tokenizer/unicode_properties.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

/// Whether a token between `start` and `stop` touches a letter or a digit.
bool is_part_of_word(std::string_view text, std::size_t start, std::size_t stop) {
  return (start > 0 && is_word_character(decode_utf8_before(text, start).value)) ||
         (stop < text.size() && is_word_character(decode_utf8(text.data() + stop).value));
}

/// Whether bytes [begin, end) hold one of the spans.
bool touches(PlainSpans spans, std::size_t begin, std::size_t end) {
  const auto behind = std::upper_bound(spans.begin(), spans.end(), begin,
                                       [](std::size_t place, const auto& span) { return place < span.second; });
  return behind != spans.end() && behind->first < end;
}

AddedToken read_added_token(const JsonNode& node) {
  AddedToken token;
  token.content = node.member("content").text();
  token.single_word = node.boolean_or("single_word", false);
  token.lstrip = node.boolean_or("lstrip", false);
  token.rstrip = node.boolean_or("rstrip", false);
  token.normalized = node.boolean_or("normalized", true);
  token.special = node.boolean_or("special", false);
  return token;
}

}  // namespace

TokenFinder::TokenFinder(const std::vector<std::pair<std::string, const AddedToken*>>& patterns) {
  for (const auto& [text, token] : patterns)
    if (!text.empty()) patterns_.push_back({text, token});
  const auto first_byte = [](const Pattern& pattern) { return static_cast<unsigned char>(pattern.text.front()); };
  std::stable_sort(patterns_.begin(), patterns_.end(), [&](const Pattern& a, const Pattern& b) {
    return first_byte(a) != first_byte(b) ? first_byte(a) < first_byte(b) : a.text.size() > b.text.size();
  });
  for (std::size_t i = 0; i < patterns_.size(); ++i) {
    auto& [first, last] = ranges_[first_byte(patterns_[i])];
    if (first == last) first = i;
    last = i + 1;
    begins_[first_byte(patterns_[i])] = true;
  }
}

const TokenFinder::Pattern* TokenFinder::match(std::string_view text, std::size_t position, PlainSpans plain) const {
  const auto [first, last] = ranges_[static_cast<unsigned char>(text[position])];
  for (std::size_t i = first; i < last; ++i) {
    if (!text.substr(position).starts_with(patterns_[i].text)) continue;
    if (patterns_[i].token->special && touches(plain, position, position + patterns_[i].text.size())) continue;
    return &patterns_[i];
  }
  return nullptr;
}

void TokenFinder::split(std::string_view text, std::vector<Piece>& pieces, PlainSpans plain) const {
  pieces.clear();
  std::size_t done = 0;  // the pieces reach up to here
  const auto add_text = [&](std::size_t end) {
    if (done < end) pieces.push_back({text.substr(done, end - done), nullptr});
  };
  for (std::size_t i = 0; i < text.size() && !patterns_.empty();) {
    const Pattern* found = begins_[static_cast<unsigned char>(text[i])] ? match(text, i, plain) : nullptr;
    if (found == nullptr) {
      ++i;
      continue;
    }
    const AddedToken& token = *found->token;
    std::size_t start = i;
    std::size_t stop = i + found->text.size();
    i = stop;
    if (token.single_word && is_part_of_word(text, start, stop)) continue;
    while (token.lstrip && start > done) {
      const CodePoint before = decode_utf8_before(text, start);
      if (!is_white_space(before.value)) break;
      start -= before.bytes;
    }
    while (token.rstrip && stop < text.size()) {
      const CodePoint after = decode_utf8(text.data() + stop);
      if (!is_white_space(after.value)) break;
      stop += after.bytes;
    }
    // White space that the token before took is not there to be taken again.
    if (token.lstrip) start = std::max(start, done);
    if (start >= stop) continue;
    add_text(start);
    pieces.push_back({text.substr(start, stop - start), &token});
    done = stop;
  }
  add_text(text.size());
}

AddedTokens::AddedTokens(const JsonNode& root, const Vocabulary& vocabulary, const Normalizer* normalizer) {
  const std::optional<JsonNode> list = root.optional_member("added_tokens");
  if (!list) return;
  std::vector<std::int32_t> ids;
  for (const JsonNode& node : list->elements()) {
    AddedToken token = read_added_token(node);
    if (token.content.empty()) continue;
    if (token.normalized && normalizer != nullptr) {
      normalizer->normalize(token.content, token.decoded);
    } else {
      token.decoded = token.content;
    }
    // A content that comes again keeps its id and its normal form, stays special, and has the options that come last.
    if (const AddedToken* known = find(token.content); known != nullptr) {
      token.id = known->id;
      token.special = token.special || known->special;
      if (!token.normalized) token.decoded = known->decoded;
    } else {
      token.id = vocabulary.find(token.content).value_or(std::max(size(), vocabulary.count()));
      ids.push_back(token.id);
    }
    by_content_.insert_or_assign(token.content, token.id);
    by_id_.insert_or_assign(token.id, std::move(token));
  }
  std::vector<const AddedToken*> order;  // special ones first, else as in the file
  for (const bool special : {true, false})
    for (const std::int32_t id : ids)
      if (by_id_.at(id).special == special) order.push_back(&by_id_.at(id));
  plain_ = finder(order, false);
  normalized_ = finder(order, true);
}

TokenFinder AddedTokens::finder(const std::vector<const AddedToken*>& order, bool normalized) {
  std::vector<std::pair<std::string, const AddedToken*>> patterns;
  for (const AddedToken* token : order)
    if (token->normalized == normalized) patterns.emplace_back(normalized ? token->decoded : token->content, token);
  return TokenFinder(patterns);
}

const AddedToken* AddedTokens::find(std::int32_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second;
}

const AddedToken* AddedTokens::find(std::string_view content) const {
  const auto found = by_content_.find(content);
  return found == by_content_.end() ? nullptr : find(found->second);
}

}  // namespace temper

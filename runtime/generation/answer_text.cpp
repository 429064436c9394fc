#include "runtime/generation/answer_text.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace temper {
namespace {

/// Tokens before the answer that are decoded with it: a character has at most four bytes, and each may be a token.
constexpr std::size_t kContext = 8;
/// Tokens that are decoded again with each further one.
constexpr std::size_t kMostTokens = 128;
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

}  // namespace

AnswerText::AnswerText(const Tokenizer& tokenizer, std::span<const std::int32_t> prompt, std::vector<std::string> stops)
    : tokenizer_(tokenizer), stops_(std::move(stops)) {
  before_ids_ = std::min(kContext, prompt.size());
  const auto context = prompt.last(before_ids_);
  ids_.assign(context.begin(), context.end());
  before_ = tokenizer_.decode(ids_, true);
}

std::string AnswerText::decoded() const {
  const std::string all = tokenizer_.decode(ids_, true);
  if (all.starts_with(before_)) return settled_ + all.substr(before_.size());
  // A decoder that changes what stands before: the answer by itself.
  return settled_ + tokenizer_.decode(std::span(ids_).subspan(before_ids_), true);
}

std::size_t AnswerText::certain(const std::string& text) const {
  std::string_view sure = text;
  while (sure.ends_with(kReplacement)) sure.remove_suffix(kReplacement.size());
  std::size_t held = 0;
  for (const std::string& stop : stops_)
    for (std::size_t length = std::min(stop.size() - 1, sure.size()); length > held; --length)
      if (sure.ends_with(std::string_view(stop).substr(0, length))) held = length;
  return sure.size() - held;
}

std::string AnswerText::give(const std::string& text, std::size_t end) {
  if (end <= given_.size()) return "";
  std::string piece = text.substr(given_.size(), end - given_.size());
  given_ += piece;
  return piece;
}

std::string AnswerText::add(std::int32_t id) {
  ids_.push_back(id);
  const std::string text = decoded();
  std::size_t end = std::string::npos;
  for (const std::string& stop : stops_) end = std::min(end, text.find(stop, given_.size()));
  if (end != std::string::npos) {
    stopped_ = true;
    return give(text, end);
  }
  const std::string piece = give(text, certain(text));
  if (ids_.size() > kMostTokens && !text.ends_with(kReplacement)) {
    settled_ = text;
    begin_anew();
  }
  return piece;
}

void AnswerText::begin_anew() {
  ids_.erase(ids_.begin(), ids_.end() - static_cast<std::ptrdiff_t>(kContext));
  before_ids_ = kContext;
  before_ = tokenizer_.decode(ids_, true);
}

std::string AnswerText::finish() {
  if (stopped_) return "";
  const std::string text = decoded();
  return give(text, text.size());
}

}  // namespace temper

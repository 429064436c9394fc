// The template by which a model was taught to read conversations, and what it makes of one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "data/chat/conversation.h"
#include "data/jinja/template.h"
#include "data/tokenizer/tokenizer.h"

namespace temper {

/// A conversation as text, with what of it came from the conversation.
struct RenderedChat {
  jinja::Text text;
  /// Bytes [begin, end) that the template's generation blocks enclose, if it has any.
  std::vector<std::pair<std::size_t, std::size_t>> generations;
  std::int64_t steps = 0;  ///< of the template, and for what it was handed
};

/// Immutable, and safe to share among threads.
class ChatTemplate {
 public:
  /// The template that the tokenizer's files hold (transformers' order: chat_template.jinja, chat_template.json,
  /// tokenizer_config.json; tokenizer.chat_template of a GGUF file), or that of a file. `own_file`: may be empty.
  /// `now`: the date that strftime_now writes. Throws Error, naming the place, where there is none, where it is no
  /// template, and where the file cannot be read.
  ChatTemplate(const Tokenizer& tokenizer, const std::filesystem::path& own_file, const std::tm& now);

  /// The first `messages` messages, and, where `prompts`, the beginning of the answer. Throws Error with the line of
  /// the template and its reason where it refuses them.
  [[nodiscard]] RenderedChat render(const Conversation& conversation, std::size_t messages, bool prompts) const;
  [[nodiscard]] RenderedChat render(const Conversation& conversation, bool prompts) const {
    return render(conversation, conversation.messages.size(), prompts);
  }

  /// Where it stands, for messages.
  [[nodiscard]] const std::string& place() const { return place_; }
  /// All that decides what is rendered: the templates, the special tokens, and the date where they ask for it.
  [[nodiscard]] const std::string& identity() const { return identity_; }
  /// Whether it writes the date.
  [[nodiscard]] bool writes_date() const { return writes_date_; }

 private:
  struct Named {
    std::string name;
    jinja::Template parsed;
  };
  [[nodiscard]] const jinja::Template& choose(const Conversation& conversation) const;

  std::string place_;
  std::vector<Named> templates_;
  std::vector<std::pair<std::string, std::string>> special_tokens_;
  std::tm now_;
  std::string identity_;
  bool writes_date_ = false;
};

/// The ids of a rendered conversation: none is added, and nothing that came from the conversation is a special token.
std::vector<std::int32_t> token_ids(const RenderedChat& chat, const Tokenizer& tokenizer);
/// The same, sooner where beginnings of one conversation are tokenised one after the other.
std::vector<std::int32_t> token_ids(const RenderedChat& chat, const Tokenizer& tokenizer, PieceMemo& memo);

/// "2024-07-26" as a date at noon; nothing for another text.
std::optional<std::tm> parse_date(const std::string& text);
/// This day.
std::tm today();

}  // namespace temper

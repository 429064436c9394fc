// A small tokenizer with a chat template, in a folder of its own.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "data/chat/chat_encoder.h"
#include "data/tokenizer/tokenizer_folder.h"
#include "tests/data/temporary_folder.h"
#include "tests/data/tokenizer/tokenizer_json.h"

namespace temper::testing_support {

inline constexpr const char* kChatMl =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/// Byte-level, with <|im_start|> and <|im_end|>, which begins and ends texts; files of the folder by name.
class ChatTokenizer {
 public:
  explicit ChatTokenizer(const std::string& chat_template,
                         const std::vector<std::pair<std::string, std::string>>& files = {}) {
    nlohmann::json tokenizer = small_roberta();
    tokenizer["post_processor"] = nullptr;
    int id = 1000;
    for (const char* token : {"<|im_start|>", "<|im_end|>"})
      tokenizer["added_tokens"].push_back(added_token(token, ++id, true));
    for (const char* token : {"<think>", "</think>"})
      tokenizer["added_tokens"].push_back(added_token(token, ++id, false));
    (void)folder_.file("tokenizer.json", tokenizer.dump());
    nlohmann::json config{{"tokenizer_class", "PreTrainedTokenizerFast"},
                          {"bos_token", "<|im_start|>"},
                          {"eos_token", "<|im_end|>"},
                          {"pad_token", "<|im_end|>"}};
    if (!chat_template.empty()) config["chat_template"] = chat_template;
    (void)folder_.file("tokenizer_config.json", config.dump());
    for (const auto& [name, content] : files) (void)folder_.file(name, content);
    tokenizer_ = Tokenizer::from_file(read_tokenizer_folder(folder_.path()).file);
  }

  [[nodiscard]] const Tokenizer& tokenizer() const { return *tokenizer_; }
  [[nodiscard]] const std::filesystem::path& path() const { return folder_.path(); }
  [[nodiscard]] std::shared_ptr<const ChatTemplate> chat() const {
    return std::make_shared<const ChatTemplate>(*tokenizer_, "", *parse_date("2024-07-26"));
  }
  [[nodiscard]] ChatEncoder encoder(ChatSettings settings = {}) const {
    if (settings.max_length == 0) settings.max_length = 100'000;
    return {*tokenizer_, chat(), std::move(settings)};
  }

  /// The text of a sequence, what is learnt of it in brackets.
  [[nodiscard]] std::string marked(const LearntSequence& sequence) const {
    std::string text;
    bool inside = false;
    for (std::size_t i = 0; i < sequence.ids.size(); ++i) {
      if (sequence.learnt[i] != inside) text += inside ? "]" : "[";
      inside = sequence.learnt[i];
      text += tokenizer_->decode(std::span(sequence.ids).subspan(i, 1), false);
    }
    return inside ? text + "]" : text;
  }
  [[nodiscard]] std::vector<std::string> marked(const ChatEncoder& encoder, const std::string& json) const {
    std::vector<std::string> texts;
    for (const LearntSequence& sequence : encoder.encode(json)) texts.push_back(marked(sequence));
    return texts;
  }

 private:
  TemporaryFolder folder_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

/// {"messages": [...]} of roles and texts.
inline std::string talk(const std::vector<std::pair<std::string, std::string>>& turns) {
  nlohmann::ordered_json messages = nlohmann::ordered_json::array();
  for (const auto& [role, content] : turns) messages.push_back({{"role", role}, {"content", content}});
  return nlohmann::ordered_json{{"messages", messages}}.dump();
}

}  // namespace temper::testing_support

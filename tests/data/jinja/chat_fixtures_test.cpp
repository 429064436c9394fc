// Every template of the fixtures with every conversation, and single constructs, against transformers.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "data/chat/conversation.h"
#include "data/chat/json_value.h"
#include "data/jinja/template.h"
#include "tests/shared_data.h"

namespace temper::jinja {
namespace {

const Dict& dict_of(const Value& value) { return *std::get<DictPointer>(value); }
std::string text_in(const Dict& dict, const char* key) { return text_of(*dict.find(key)).bytes(); }

class Conversations {
 public:
  explicit Conversations(const std::filesystem::path& folder)
      : all_(parse_json_value(read_text_file(folder / "conversations.json"))) {
    strptime(text_in(dict_of(all_), "now").c_str(), "%Y-%m-%dT%H:%M:%S", &now_);
    std::mktime(&now_);
  }

  [[nodiscard]] std::string render(const Template& chat, const std::string& name, bool prompt) const {
    const Dict& conversation = dict_of(*dict_of(*dict_of(all_).find("conversations")).find(name));
    std::vector<std::pair<std::string, Value>> variables;
    for (const auto& [key, token] : dict_of(*dict_of(all_).find("special_tokens")).entries)
      variables.emplace_back(text_of(key).bytes(), token);
    const auto or_none = [&](const char* key) {
      const Value* found = conversation.find(key);
      return found == nullptr ? Value(None{}) : *found;
    };
    Meter meter;
    variables.emplace_back("messages", make_list(messages_for_template(iterate(meter, or_none("messages")))));
    variables.emplace_back("tools", or_none("tools"));
    variables.emplace_back("documents", or_none("documents"));
    variables.emplace_back("add_generation_prompt", prompt);
    if (const Value* more = conversation.find("variables"))
      for (const auto& [key, value] : dict_of(*more).entries) variables.emplace_back(text_of(key).bytes(), value);
    return chat.render(std::move(variables), now_).text.bytes();
  }

 private:
  Value all_;
  std::tm now_{};
};

template <typename Render>
void expect_case(const Dict& expected, const std::string& name, Render render) {
  std::string text;
  std::optional<TemplateError> refusal;
  try {
    text = render();
  } catch (const TemplateError& error) {
    refusal = error;
  }
  if (expected.find("text") != nullptr) {
    EXPECT_FALSE(refusal) << name << ": " << refusal->what();
    EXPECT_EQ(text, text_in(expected, "text")) << name;
    return;
  }
  ASSERT_TRUE(refusal) << name << " rendered: " << text;
  const std::string kind = text_in(expected, "refused");
  EXPECT_EQ(refusal->refusal(), kind == "raised"     ? Refusal::raised
                                : kind == "template" ? Refusal::not_template
                                                     : Refusal::operation)
      << name;
  // Python's compiler numbers the lines of its own text.
  if (text_in(expected, "by") == "SyntaxError") return;
  EXPECT_EQ(refusal->what(), text_in(expected, "message")) << name;
}

template <typename Use>
int for_each_case(const std::filesystem::path& path, Use use) {
  std::ifstream lines(path);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) use(dict_of(parse_json_value(line)));
  return count;
}

TEST(ChatFixtures, TemplatesRenderAsTransformersRendersThem) {
  TEMPER_REQUIRE_SHARED(folder, "fixtures/chat_templates");
  const Conversations conversations(folder);
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (!entry.is_directory()) continue;
    const Template chat(read_text_file(entry.path() / "template.jinja"));
    cases += for_each_case(entry.path() / "cases.jsonl", [&](const Dict& expected) {
      const std::string name = text_in(expected, "conversation");
      if (name == "no-messages") return;  // refused before there is a template (ConversationReader)
      const bool prompt = std::get<bool>(*expected.find("add_generation_prompt"));
      expect_case(expected, entry.path().filename().string() + " of " + name,
                  [&] { return conversations.render(chat, name, prompt); });
    });
  }
  EXPECT_GT(cases, 1000);
}

TEST(ChatFixtures, SnippetsRenderAsTransformersRendersThem) {
  TEMPER_REQUIRE_SHARED(folder, "fixtures/chat_templates");
  const Conversations conversations(folder);
  const int cases = for_each_case(folder / "snippets.jsonl", [&](const Dict& expected) {
    const std::string source = text_in(expected, "template");
    expect_case(expected, source, [&] { return conversations.render(Template(source), "three-turns", false); });
  });
  EXPECT_GT(cases, 100);
}

}  // namespace
}  // namespace temper::jinja

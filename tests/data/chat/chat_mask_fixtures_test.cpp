// Masks of templates with generation markers, which are not looked at here, against those that transformers makes of
// the markers.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/mapped_file.h"
#include "tests/data/chat/chat_testing.h"
#include "tests/shared_data.h"

namespace temper {
namespace {

using OrderedJson = nlohmann::ordered_json;

TEST(ChatMasks, TurnsAreWhatGenerationMarkersEnclose) {
  TEMPER_REQUIRE_SHARED(shared, "fixtures");
  const OrderedJson all = OrderedJson::parse(read_text_file(shared / "chat_templates/conversations.json"));
  for (const char* name : {"generation-chatml", "generation-tools"}) {
    const testing_support::TemporaryFolder folder;
    (void)folder.file("tokenizer.json", read_text_file(shared / "tokenizers/smollm2-byte-level-bpe/tokenizer.json"));
    OrderedJson config = all["special_tokens"];
    config["tokenizer_class"] = "PreTrainedTokenizerFast";
    config["chat_template"] = read_text_file(shared / "chat_templates" / name / "template.jinja");
    (void)folder.file("tokenizer_config.json", config.dump());
    const auto tokenizer = Tokenizer::from_file(read_tokenizer_folder(folder.path()).file);
    ChatSettings settings;
    settings.max_length = 100'000;
    const ChatEncoder encoder(*tokenizer, std::make_shared<const ChatTemplate>(*tokenizer, "", today()), settings);
    std::ifstream cases(shared / "chat_templates" / name / "cases.jsonl");
    int compared = 0;
    for (std::string line; std::getline(cases, line);) {
      const OrderedJson expected = OrderedJson::parse(line);
      const std::string conversation = expected["conversation"];
      // What texts of this one spell is not taken for tokens here.
      if (!expected.contains("ids") || expected["add_generation_prompt"] == true || conversation == "markup-in-texts")
        continue;
      // Nothing can be rendered in front of the first turn.
      if (all["conversations"][conversation]["messages"][0]["role"] == "assistant") continue;
      const std::vector<LearntSequence> rows = encoder.encode_whole(all["conversations"][conversation].dump());
      ASSERT_EQ(rows.size(), 1U) << conversation;
      EXPECT_EQ(rows.front().ids, expected["ids"].get<std::vector<std::int32_t>>()) << name << " " << conversation;
      std::vector<int> learnt(rows.front().learnt.begin(), rows.front().learnt.end());
      EXPECT_EQ(learnt, expected["assistant_mask"].get<std::vector<int>>()) << name << " " << conversation;
      ++compared;
    }
    EXPECT_GT(compared, 20) << name;
  }
}

}  // namespace
}  // namespace temper

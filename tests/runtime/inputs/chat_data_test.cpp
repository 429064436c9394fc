#include "runtime/inputs/chat_data.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

using testing_support::TemporaryFolder;

TEST(ChatData, TellsConversationsFromPairsAndTexts) {
  const TemporaryFolder folder;
  const auto file = [&](const char* name, const char* row) { return folder.file(name, std::string(row) + "\n"); };
  const auto talk = file("talk.jsonl", R"({"messages": [{"role": "user", "content": "a"}]})");
  const auto pairs = file("pairs.jsonl", R"({"prompt": "a", "chosen": "b", "rejected": "c"})");
  const auto both = file("both.jsonl", R"({"messages": [], "chosen": "b", "rejected": "c"})");
  const auto texts = file("texts.jsonl", R"({"text": "a", "chosen": "b", "rejected": "c"})");
  EXPECT_TRUE(holds_conversations(talk, "text"));
  EXPECT_FALSE(holds_pairs(talk, "text"));
  EXPECT_TRUE(holds_pairs(pairs, "text"));
  EXPECT_FALSE(holds_conversations(pairs, "text"));
  EXPECT_TRUE(holds_conversations(both, "text")) << "what is learnt of it stands in its messages";
  EXPECT_FALSE(holds_pairs(both, "text"));
  EXPECT_FALSE(holds_pairs(texts, "text"));
  EXPECT_TRUE(holds_pairs(texts, "")) << "whoever reads pairs has no column of texts";
  EXPECT_FALSE(holds_pairs(folder.path() / "absent.jsonl", "text"));

  Configuration configuration;
  configuration.model.task = "causal-lm";
  const auto format_of = [&](const std::filesystem::path& train) {
    configuration.data.train = OneOrMore(train.string());
    configuration.data.format = "auto";
    resolve_data_format(configuration);
    return configuration.data.format;
  };
  EXPECT_EQ(format_of(talk), "conversations");
  EXPECT_EQ(format_of(both), "conversations");
  EXPECT_EQ(format_of(texts), "auto");
  EXPECT_EQ(format_of(folder.path() / "absent.jsonl"), "auto");
  EXPECT_THROW((void)format_of(pairs), Error);
}

}  // namespace
}  // namespace temper

// temper tokenizer train, as a user runs it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/system/tiny_run.h"

namespace temper::system_tests {
namespace {

using Json = nlohmann::json;

class TokenizerTraining : public TinyRun {
 protected:
  void SetUp() override {
    TinyRun::SetUp();
    std::string text;
    for (int i = 0; i < 40; ++i) text += "the lower road was new and the wider one was newer\n";
    write("text.txt", text);
  }

  Outcome learn(const std::vector<std::string>& options, int ranks = 0) const {
    Invocation invocation;
    invocation.arguments = {"tokenizer", "train"};
    invocation.arguments.insert(invocation.arguments.end(), options.begin(), options.end());
    invocation.ranks = ranks;
    invocation.folder = folder_;
    return run(invocation);
  }
};

TEST_F(TokenizerTraining, WritesAFolderOnAnyNumberOfRanks) {
  const Outcome alone = learn({"text.txt", "--vocabulary", "270", "--output", "one", "--json"});
  ASSERT_EQ(alone.status, 0) << alone.err;
  EXPECT_EQ(Json::parse(alone.last_line())["tokens"], 270);
  const Outcome both = learn({"text.txt", "--vocabulary", "270", "--output", "two", "--threads", "3"}, 2);
  ASSERT_EQ(both.status, 0) << both.err;
  EXPECT_EQ(read(path("one/tokenizer.json")), read(path("two/tokenizer.json")));
  EXPECT_EQ(Json::parse(read(path("one/tokenizer_config.json")))["eos_token"], "<|endoftext|>");
}

TEST_F(TokenizerTraining, SaysWhatIsWrong) {
  const Outcome small = learn({"text.txt", "--vocabulary", "100", "--output", "small"});
  EXPECT_EQ(small.status, 1);
  EXPECT_NE(small.err.find("a vocabulary of 100 is too small"), std::string::npos) << small.err;
  EXPECT_FALSE(std::filesystem::exists(path("small")));
  ASSERT_EQ(learn({"text.txt", "--vocabulary", "260", "--output", "full"}).status, 0);
  const Outcome again = learn({"text.txt", "--vocabulary", "260", "--output", "full"});
  EXPECT_EQ(again.status, 1);
  EXPECT_NE(again.err.find("full/tokenizer.json: exists already"), std::string::npos) << again.err;
  const Outcome file = learn({"text.txt", "--vocabulary", "260", "--output", "text.txt"});
  EXPECT_EQ(file.status, 1);
  EXPECT_NE(file.err.find("text.txt: is a file, expected a folder"), std::string::npos) << file.err;
}

TEST_F(TokenizerTraining, SaysWhereTextsEndBeforeTheVocabulary) {
  const Outcome outcome = learn({"text.txt", "--vocabulary", "5000", "--output", "large", "--special", "<s>",
                                 "--eos-token", "</s>", "--min-frequency", "50"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("of the 5000 tokens"), std::string::npos) << outcome.err;
  const Json written = Json::parse(read(path("large/tokenizer.json")));
  EXPECT_EQ(written["added_tokens"][0]["content"], "<s>");
  EXPECT_EQ(written["added_tokens"][1]["content"], "</s>");
}

}  // namespace
}  // namespace temper::system_tests

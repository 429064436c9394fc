#include "model/huggingface/config_keys.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/model/huggingface/test_folder.h"

namespace temper {
namespace {

using testing_support::expect_refusal;

ConfigKeys keys(const std::string& json, double dropout = -1.0) { return {json, "folder/config.json", dropout}; }

TEST(ConfigKeys, TakeAnotherNameOfAKey) {
  const ConfigKey width{"dim", "hidden_size"};
  EXPECT_EQ(keys(R"({"dim":24})").size(width, 768), 24);
  EXPECT_EQ(keys(R"({"hidden_size":20})").size(width, 768), 20);
  EXPECT_EQ(keys(R"({"hidden_size":20,"dim":24})").size(width, 768), 24);
  EXPECT_EQ(keys("{}").size(width, 768), 768);
  expect_refusal([&] { (void)keys(R"({"dim":0})").size(width, 768); },
                 {"folder/config.json: \"dim\" is 0, expected a whole number from 1 to 2147483647"});
  expect_refusal([&] { (void)keys(R"({"hidden_size":"x"})").size(width, 768); }, {"\"hidden_size\" is \"x\""});
}

TEST(ConfigKeys, ReadNumbersTextsAndFlags) {
  const ConfigKeys some = keys(R"({"rate":0.5,"name":"x","none":null,"list":["a","b"],"no":false,"yes":true})");
  EXPECT_EQ(some.real("rate", 0.1F, 0.0F, 1.0F), 0.5F);
  EXPECT_EQ(some.text("name", "y"), "x");
  EXPECT_EQ(some.texts("list"), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(some.texts("none").empty());
  EXPECT_FALSE(some.flag("no", true));
  EXPECT_TRUE(some.flag("yes", false));
  EXPECT_TRUE(some.flag("absent", true));
  EXPECT_TRUE(some.is_null("none"));
  EXPECT_FALSE(some.is_null("absent"));
  EXPECT_EQ(some.find("absent"), nullptr);
  expect_refusal([&] { (void)some.real("rate", 0.1F, 0.6F, 1.0F); }, {"\"rate\" is 0.5", "from 0.6 to 1"});
  expect_refusal([&] { (void)some.text("rate", ""); }, {"\"rate\" is 0.5", "a text"});
  expect_refusal([&] { (void)some.text("none", "y"); }, {"\"none\" is null", "a text"});
  expect_refusal([&] { (void)some.texts("name"); }, {"a list of texts"});
  expect_refusal([] { (void)keys(R"({"list":["a",1]})").texts("list"); }, {"a list of texts"});
}

TEST(ConfigKeys, AFlagIsTrueOrFalse) {
  // transformers 5 refuses each of these, too.
  for (const char* value : {"null", "0", "1", "0.0", "\"no\"", "\"\"", "[]", "{}"})
    expect_refusal([&] { (void)keys(std::string(R"({"flag":)") + value + "}").flag("flag", true); },
                   {"folder/config.json: \"flag\" is ", value, "expected true or false"});
}

TEST(ConfigKeys, TruthIsPythons) {
  const auto truth = [](const std::string& value) { return keys(R"({"some":)" + value + "}").truth("some", true); };
  for (const char* value : {"null", "false", "0", "0.0", "\"\"", "[]", "{}"}) EXPECT_FALSE(truth(value)) << value;
  for (const char* value : {"true", "1", "-2", "0.5", "\"no\"", "[0]"}) EXPECT_TRUE(truth(value)) << value;
  EXPECT_TRUE(keys("{}").truth("some", true));
}

TEST(ConfigKeys, OneRateMayStandInForEveryDropout) {
  EXPECT_EQ(keys(R"({"rate":0.5})").dropout("rate", 0.1F), 0.5F);
  EXPECT_EQ(keys(R"({"rate":0.5})", 0.25).dropout("rate", 0.1F), 0.25F);
  EXPECT_EQ(keys("{}", 0.0).dropout("rate", 0.1F), 0.0F);
  expect_refusal([] { (void)keys(R"({"rate":2})", 0.25).dropout("rate", 0.1F); }, {"\"rate\" is 2", "from 0 to 1"});
}

}  // namespace
}  // namespace temper

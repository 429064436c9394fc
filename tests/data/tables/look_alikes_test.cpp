#include "data/tables/look_alikes.h"

#include <gtest/gtest.h>

namespace temper {
namespace {

using Groups = std::vector<std::vector<std::string>>;

Groups groups(const std::vector<std::string>& names) { return names_that_look_alike(names); }

TEST(LookAlikes, DifferInBlanksCaseNumbersAndUnicodeForms) {
  EXPECT_EQ(groups({" pos", "neg", "pos", "pos\u00A0"}), (Groups{{" pos", "pos", "pos\u00A0"}}));
  EXPECT_EQ(groups({"card payment", "card  payment"}), (Groups{{"card payment", "card  payment"}}));
  EXPECT_EQ(groups({"NEG", "POS", "neg"}), (Groups{{"NEG", "neg"}}));
  EXPECT_EQ(groups({"0", "1", "1.0", "01", "+1", "1e0"}), (Groups{{"1", "1.0", "01", "+1", "1e0"}}));
  EXPECT_EQ(groups({"caf\u00E9", "cafe\u0301"}), (Groups{{"caf\u00E9", "cafe\u0301"}})) << "composed and decomposed";
  EXPECT_EQ(groups({"\uFF21", "a"}), (Groups{{"\uFF21", "a"}})) << "full width";
  EXPECT_EQ(groups({"stra\u00DFe", "STRASSE"}), (Groups{{"stra\u00DFe", "STRASSE"}}));
  EXPECT_EQ(groups({"a\u200Bb", "ab"}), (Groups{{"a\u200Bb", "ab"}})) << "what has no width";
  EXPECT_EQ(groups({"-0", "0"}), (Groups{{"-0", "0"}}));
}

TEST(LookAlikes, OtherNamesDoNot) {
  EXPECT_TRUE(groups({"pos", "neg", "1", "2", "e", "\u00E9", "a b", "ab", "true", "false"}).empty());
  EXPECT_TRUE(groups({"12345678901234567890123", "12345678901234567890124"}).empty()) << "beyond a double's digits";
  EXPECT_TRUE(groups({}).empty());
}

}  // namespace
}  // namespace temper

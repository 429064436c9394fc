#include "data/text/word_places.h"

#include <gtest/gtest.h>

namespace temper {
namespace {

using Words = std::vector<PlacedWord>;

TEST(WordPlaces, OfATextCountCharacters) {
  const std::string row = "  Zoë  lives\tin 東京 ";
  const PlacedWords placed = place_words(row);
  EXPECT_TRUE(placed.in_text);
  EXPECT_EQ(placed.words, (Words{{"Zoë", 2, 5}, {"lives", 7, 12}, {"in", 13, 15}, {"東京", 16, 18}}));
  EXPECT_EQ(placed.between(row, 2, 12), "Zoë  lives");
  EXPECT_EQ(placed.between(row, 16, 18), "東京");
}

TEST(WordPlaces, OfAListCountWords) {
  const std::string row = R"(["New York", "is", "big"])";
  const PlacedWords placed = place_words(row);
  EXPECT_FALSE(placed.in_text);
  EXPECT_EQ(placed.words, (Words{{"New York", 0, 1}, {"is", 1, 2}, {"big", 2, 3}}));
  EXPECT_EQ(placed.between(row, 0, 2), "New York is");
}

TEST(WordPlaces, AListOfOneWordIsAList) {
  const PlacedWords placed = place_words(R"(["good"])");
  EXPECT_FALSE(placed.in_text);
  EXPECT_EQ(placed.words, (Words{{"good", 0, 1}}));
}

TEST(WordPlaces, OfAnEmptyTextAreNone) {
  EXPECT_TRUE(place_words("").words.empty());
  EXPECT_TRUE(place_words("  \n").words.empty());
  EXPECT_TRUE(place_words("[not a list").in_text);
}

}  // namespace
}  // namespace temper

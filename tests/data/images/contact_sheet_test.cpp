#include "data/images/contact_sheet.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "data/images/bitmap_font.h"

namespace temper {
namespace {

using Bytes = std::vector<std::uint8_t>;

Picture flat(ImageExtent extent, std::uint8_t grey) {
  return {extent, 1, Bytes(static_cast<std::size_t>(extent.pixels()), grey), 0.0F, 255.0F};
}

/// A line of text as dots.
std::vector<std::string> drawn(const std::string& text) {
  Picture picture = flat({9, kCharacterWidth * characters_of(text)}, 0);
  draw_text(picture, 0, 0, text, 1, 255);
  std::vector<std::string> lines(9);
  for (std::int64_t y = 0; y < 9; ++y)
    for (std::int64_t x = 0; x < picture.extent.width; ++x)
      lines[static_cast<std::size_t>(y)] +=
          std::get<Bytes>(picture.samples)[static_cast<std::size_t>(y * picture.extent.width + x)] != 0 ? '#' : '.';
  return lines;
}

TEST(BitmapFont, DrawsLetters) {
  EXPECT_EQ(drawn("Tg"),
            (std::vector<std::string>{"#####.......", "..#.........", "..#....####.", "..#...#...#.", "..#...#...#.",
                                      "..#...#...#.", "..#....####.", "..........#.", ".......###.."}));
}

TEST(BitmapFont, HasADifferentShapeForEachCharacter) {
  std::vector<std::vector<std::string>> shapes;
  for (char character = ' '; character <= '~'; ++character) {
    shapes.push_back(drawn(std::string(1, character)));
    for (const std::string& line : shapes.back()) EXPECT_EQ(line.back(), '.') << character;
  }
  std::sort(shapes.begin(), shapes.end());
  EXPECT_EQ(std::adjacent_find(shapes.begin(), shapes.end()), shapes.end());
}

TEST(BitmapFont, DrawsABoxForWhatItLacks) {
  EXPECT_EQ(characters_of("caf\xC3\xA9"), 4);
  EXPECT_EQ(drawn("\xC3\xA9").front(), "#####.");
  EXPECT_EQ(drawn("\xF0\x9F\x98\x80").front().size(), 6U);
  EXPECT_EQ(drawn("\x80\x01").front(), "#####.#####.");
}

TEST(BitmapFont, DrawsLettersOfOtherAlphabetsAsThoseThatStandForThem) {
  EXPECT_EQ(drawable("Z\xC3\xBCrich, \xC5\x81\xC3\xB3"
                     "d\xC5\xBA"),
            "Zurich, Lodz");
  EXPECT_EQ(drawable("stra\xC3\x9F"
                     "e"),
            "strasse");
  EXPECT_EQ(drawable("\xCE\xB1"), "a");
  EXPECT_EQ(drawable("plain"), "plain");
  EXPECT_EQ(drawable("\x80\x01"), "\x80\x01") << "no UTF-8";
}

TEST(ContactSheet, PlacesPicturesAndWords) {
  const std::vector<ContactSheetCell> cells = {{{flat({10, 20}, 40), flat({20, 10}, 60)}, {"a"}},
                                               {{flat({10, 10}, 80)}, {}},
                                               {{flat({5, 5}, 100)}, {"one", "two"}}};
  ContactSheetLayout layout;
  layout.columns = 2;
  layout.side = 40;
  layout.row_names = {"before", "after"};
  const Picture sheet = contact_sheet(cells, layout);
  EXPECT_EQ(sheet.channels, 3);
  const Bytes& samples = std::get<Bytes>(sheet.samples);
  const auto count = [&](std::uint8_t grey) { return std::count(samples.begin(), samples.end(), grey); };
  // Each has the longer edge of 40 pixels, in its proportions.
  EXPECT_EQ(count(40), 40 * 20 * 3);
  EXPECT_EQ(count(60), 20 * 40 * 3);
  EXPECT_EQ(count(80), 40 * 40 * 3);
  EXPECT_EQ(count(100), 40 * 40 * 3);
  EXPECT_GT(count(20), 100);
  // Two columns behind the names, two rows of two pictures and one or two lines.
  EXPECT_EQ(sheet.extent, (ImageExtent{12 + 2 * 46 + 22 + 12 + 2 * 46 + 44 + 12, 12 + 72 + 12 + 2 * 52}));
}

TEST(ContactSheet, ShowsARangeAndColours) {
  const Picture window{{1, 2}, 1, std::vector<float>{-5.0F, 20.0F}, 0.0F, 10.0F};
  const Picture colour{{1, 1}, 3, Bytes{1, 2, 3}, 0.0F, 255.0F};
  const std::vector<ContactSheetCell> cells = {{{window}, {}}, {{colour}, {}}};
  ContactSheetLayout layout;
  layout.side = 8;
  const Bytes samples = std::get<Bytes>(contact_sheet(cells, layout).samples);
  EXPECT_EQ(std::count(samples.begin(), samples.end(), 0), 4 * 4 * 3);
  EXPECT_EQ(std::count(samples.begin(), samples.end(), 2), 64);
}

TEST(ContactSheet, BreaksAndCutsLongWords) {
  const std::vector<ContactSheetCell> cells = {
      {{flat({8, 8}, 1)}, {"a sentence that is far too long for what there is beneath a picture of this size"}}};
  ContactSheetLayout layout;
  layout.side = 120;
  const Picture sheet = contact_sheet(cells, layout);
  EXPECT_EQ(sheet.extent.height, 12 + 126 + 6 * 22 + 12);
  layout.title = "a title that is wider than the picture";
  EXPECT_EQ(contact_sheet(cells, layout).extent.width, 24 + 38 * 18);
}

TEST(ContactSheet, KeepsTheEndOfALongName) {
  const auto sheet_of = [](const std::string& name) {
    const std::vector<ContactSheetCell> cells = {{{flat({8, 8}, 1)}, {"is flat", "said upright 0.9", name}}};
    ContactSheetLayout layout;
    layout.side = 120;
    return std::get<Bytes>(contact_sheet(cells, layout).samples);
  };
  const std::string long_name = "study-" + std::string(200, 'x');
  EXPECT_NE(sheet_of(long_name + "1.png"), sheet_of(long_name + "2.png"));
  EXPECT_NE(sheet_of("a" + long_name), sheet_of("b" + long_name));
}

TEST(ContactSheet, LeavesPicturesTheirSizeWhereTheyAreToKeepIt) {
  const std::vector<ContactSheetCell> cells = {{{flat({10, 20}, 40)}, {"a"}}};
  ContactSheetLayout layout;
  layout.side = 40;
  layout.resizes = false;
  const Picture sheet = contact_sheet(cells, layout);
  const Bytes& samples = std::get<Bytes>(sheet.samples);
  EXPECT_EQ(std::count(samples.begin(), samples.end(), 40), 10 * 20 * 3);
  layout.side = 15;
  EXPECT_THROW(contact_sheet(cells, layout), Error);
}

TEST(ContactSheet, SaysWhatIsWrong) {
  EXPECT_THROW(contact_sheet({}, {}), Error);
  const std::vector<ContactSheetCell> empty(1);
  EXPECT_THROW(contact_sheet(empty, {}), Error);
  const std::vector<ContactSheetCell> many(20000, {{flat({1, 1}, 0)}, {}});
  EXPECT_THROW(contact_sheet(many, {}), Error);
}

}  // namespace
}  // namespace temper

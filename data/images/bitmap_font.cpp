#include "data/images/bitmap_font.h"

#include <unicode/translit.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <variant>
#include <vector>

#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

constexpr int kGlyphWidth = 5;
constexpr int kGlyphHeight = 9;
constexpr int kGlyphsOfBand = 12;
constexpr unsigned char kFirstCharacter = ' ';
constexpr unsigned char kLastCharacter = '~';

/// Twelve characters beside each other, nine lines of each; letters stand on the seventh line.
constexpr std::string_view kGlyphs[] = {
    // clang-format off
    //   ! " # $ % & ' ( ) * +
    "        #    # #   # #    #   ##     ##     #      #   #               ",
    "        #    # #   # #   #### ##  # #  #    #     #     #     #     #  ",
    "        #    # #  ##### # #      #  # #     #    #       #  # # #   #  ",
    "        #          # #   ###    #    #           #       #   ###  #####",
    "        #         #####   # #  #    # # #        #       #  # # #   #  ",
    "                   # #  ####  #  ## #  #          #     #     #     #  ",
    "        #          # #    #      ##  ## #          #   #               ",
    "                                                                       ",
    "                                                                       ",
    // , - . / 0 1 2 3 4 5 6 7
    "                      #  ###    #    ###  #####    #  #####   ##  #####",
    "                     #  #   #  ##   #   #    #    ##  #      #        #",
    "                     #  #  ##   #       #   #    # #  ####  #        # ",
    "      #####         #   # # #   #      #     #  #  #      # ####    #  ",
    "                   #    ##  #   #     #       # #####     # #   #   #  ",
    "  ##          ##   #    #   #   #    #    #   #    #  #   # #   #  #   ",
    "  ##          ##  #      ###   ###  #####  ###     #   ###   ###   #   ",
    "  #                                                                    ",
    " #                                                                     ",
    // 8 9 : ; < = > ? @ A B C
    " ###   ###                  #       #      ###   ###   ###  ####   ### ",
    "#   # #   #   ##    ##     #         #    #   # #   # #   # #   # #   #",
    "#   # #   #   ##    ##    #   #####   #       # # ### #   # #   # #    ",
    " ###   ####              #             #     #  # # # ##### ####  #    ",
    "#   #     #   ##          #   #####   #     #   # ### #   # #   # #    ",
    "#   #    #    ##    ##     #         #          #     #   # #   # #   #",
    " ###   ##           ##      #       #       #    ###  #   # ####   ### ",
    "                    #                                                  ",
    "                   #                                                   ",
    // D E F G H I J K L M N O
    "####  ##### #####  ###  #   #  ###    ### #   # #     #   # #   #  ### ",
    "#   # #     #     #   # #   #   #      #  #  #  #     ## ## #   # #   #",
    "#   # #     #     #     #   #   #      #  # #   #     # # # ##  # #   #",
    "#   # ####  ####  # ### #####   #      #  ##    #     # # # # # # #   #",
    "#   # #     #     #   # #   #   #      #  # #   #     #   # #  ## #   #",
    "#   # #     #     #   # #   #   #   #  #  #  #  #     #   # #   # #   #",
    "####  ##### #      ###  #   #  ###   ##   #   # ##### #   # #   #  ### ",
    "                                                                       ",
    "                                                                       ",
    // P Q R S T U V W X Y Z [
    "####   ###  ####   #### ##### #   # #   # #   # #   # #   # #####  ### ",
    "#   # #   # #   # #       #   #   # #   # #   # #   # #   #     #  #   ",
    "#   # #   # #   # #       #   #   # #   # #   #  # #   # #     #   #   ",
    "####  #   # ####   ###    #   #   # #   # # # #   #     #     #    #   ",
    "#     # # # # #       #   #   #   #  # #  # # #  # #    #    #     #   ",
    "#     #  #  #  #      #   #   #   #  # #  # # # #   #   #   #      #   ",
    "#      ## # #   # ####    #    ###    #    # #  #   #   #   #####  ### ",
    "                                                                       ",
    "                                                                       ",
    // backslash ] ^ _ ` a b c d e f g
    "#      ###    #          #          #               #         ##       ",
    " #       #   # #          #         #               #        #         ",
    " #       #  #   #              ###  ####   ####  ####  ###  ####   ####",
    "  #      #                        # #   # #     #   # #   #  #    #   #",
    "   #     #                     #### #   # #     #   # #####  #    #   #",
    "   #     #                    #   # #   # #     #   # #      #    #   #",
    "    #  ###                     #### ####   ####  ####  ###   #     ####",
    "                  #####                                               #",
    "                                                                   ### ",
    // h i j k l m n o p q r s
    "#       #      #  #      ##                                            ",
    "#                 #       #                                            ",
    "####   ##     ##  #  #    #   ## #  ####   ###  ####   #### # ##   ####",
    "#   #   #      #  # #     #   # # # #   # #   # #   # #   # ##  # #    ",
    "#   #   #      #  ##      #   # # # #   # #   # #   # #   # #      ### ",
    "#   #   #      #  # #     #   # # # #   # #   # #   # #   # #         #",
    "#   #  ###     #  #  #    ##  # # # #   #  ###  ####   #### #     #### ",
    "            #  #                                #         #            ",
    "             ##                                 #         #            ",
    // t u v w x y z { | } ~
    " #                                           #    #    #               ",
    " #                                          #     #     #              ",
    "####  #   # #   # #   # #   # #   # #####   #     #     #    #  #      ",
    " #    #   # #   # # # #  # #  #   #    #   #      #      #  # # #      ",
    " #    #   # #   # # # #   #   #   #   #     #     #     #   #  #       ",
    " #  # #  ##  # #  # # #  # #  #   #  #      #     #     #              ",
    "  ##   ## #   #    # #  #   #  #### #####    #    #    #               ",
    "                                  #               #                    ",
    "                               ###                                     ",

    // clang-format on
};

constexpr std::array<std::string_view, kGlyphHeight> kBox = {"#####", "#   #", "#   #", "#   #", "#   #",
                                                             "#   #", "#####", "     ", "     "};

/// Whether a byte goes on with a character of UTF-8 that another one began.
bool continues(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

std::string_view glyph_line(char character, int line) {
  const auto code = static_cast<unsigned char>(character);
  if (code < kFirstCharacter || code > kLastCharacter) return kBox[static_cast<std::size_t>(line)];
  const int place = code - kFirstCharacter;
  const std::string_view band = kGlyphs[place / kGlyphsOfBand * kGlyphHeight + line];
  return band.substr(static_cast<std::size_t>(place % kGlyphsOfBand * (kGlyphWidth + 1)), kGlyphWidth);
}

}  // namespace

std::int64_t characters_of(std::string_view text) {
  std::int64_t characters = 0;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (i == 0 || !continues(text[i])) ++characters;
  return characters;
}

std::string drawable(std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (plain || first_invalid_utf8(text) != std::string_view::npos) return std::string(text);
  static std::mutex mutex;
  const std::scoped_lock lock(mutex);
  static const std::unique_ptr<icu::Transliterator> transliterator = [] {
    UErrorCode status = U_ZERO_ERROR;
    std::unique_ptr<icu::Transliterator> made(
        icu::Transliterator::createInstance("Any-Latin; Latin-ASCII", UTRANS_FORWARD, status));
    // Without ICU's data of them letters are boxes.
    return U_SUCCESS(status) ? std::move(made) : nullptr;
  }();
  if (transliterator == nullptr) return std::string(text);
  icu::UnicodeString letters = icu::UnicodeString::fromUTF8({text.data(), static_cast<std::int32_t>(text.size())});
  transliterator->transliterate(letters);
  std::string drawn;
  letters.toUTF8String(drawn);
  return drawn;
}

void draw_text(Picture& picture, std::int64_t top, std::int64_t left, std::string_view text, std::int64_t scale,
               std::uint8_t grey) {
  auto& samples = std::get<std::vector<std::uint8_t>>(picture.samples);
  const auto fill = [&](std::int64_t y, std::int64_t x) {
    if (y < 0 || x < 0 || y >= picture.extent.height || x >= picture.extent.width) return;
    for (std::int64_t c = 0; c < picture.channels; ++c)
      samples[static_cast<std::size_t>((y * picture.extent.width + x) * picture.channels + c)] = grey;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i > 0 && continues(text[i])) continue;
    for (int line = 0; line < kGlyphHeight; ++line) {
      const std::string_view dots = glyph_line(text[i], line);
      for (int column = 0; column < kGlyphWidth; ++column) {
        if (dots[static_cast<std::size_t>(column)] != '#') continue;
        for (std::int64_t y = 0; y < scale; ++y)
          for (std::int64_t x = 0; x < scale; ++x) fill(top + line * scale + y, left + column * scale + x);
      }
    }
    left += kCharacterWidth * scale;
  }
}

}  // namespace temper

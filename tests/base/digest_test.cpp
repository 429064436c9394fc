#include "base/digest.h"

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <string_view>

namespace temper {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(Sha256, GivesTheValuesOfTheStandard) {
  // FIPS 180-4's examples, as NIST publishes them; and of no bytes.
  EXPECT_EQ(sha256_hex(std::string_view("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(std::string_view("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256().hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Sha256, OfPiecesIsThatOfAll) {
  const std::string text(1000, 'x');
  Sha256 digest;
  for (std::size_t first = 0; first < text.size(); first += 300)
    digest.add(bytes_of(std::string_view(text).substr(first, 300)));
  EXPECT_EQ(digest.hex(), sha256_hex(std::string_view(text)));
}

TEST(Xxh3, OfPiecesIsThatOfAll) {
  const std::string text(1000, 'x');
  Xxh3 digest;
  for (std::size_t first = 0; first < text.size(); first += 300)
    digest.add(bytes_of(std::string_view(text).substr(first, 300)));
  EXPECT_EQ(digest.value(), xxh3(bytes_of(text)));
}

}  // namespace
}  // namespace temper

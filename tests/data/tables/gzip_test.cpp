#include "data/tables/gzip.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>

#include "tests/data/read_table.h"
#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

using testing_support::error_of;
using testing_support::read_table;
using testing_support::TemporaryFolder;

std::string packed(std::string_view text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(compressBound(text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string unpacked(const std::string& bytes) {
  std::string text;
  unpack_gzip(std::as_bytes(std::span(bytes)), "a.csv.gz", [&](std::span<const std::byte> piece) {
    text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  });
  return text;
}

TEST(Gzip, UnpacksOneMemberAndSeveral) {
  std::string long_text;
  for (int i = 0; i < 200000; ++i) long_text += std::to_string(i * 7919) + "\n";
  EXPECT_EQ(unpacked(packed(long_text)), long_text);
  EXPECT_EQ(unpacked(packed("one\n") + packed("") + packed("two\n")), "one\ntwo\n");
  EXPECT_EQ(unpacked(packed("one\n") + std::string(512, '\0')), "one\n") << "padding as on tapes";
}

TEST(Gzip, RefusesWhatIsCutDamagedOrNoneAtAll) {
  const std::string whole = packed("text,label\nthe cat,good\n");
  EXPECT_HAS(error_of([&] { unpacked(whole.substr(0, whole.size() - 9)); }), "a.csv.gz: ends in the middle");
  std::string damaged = whole;
  damaged[whole.size() - 6] = static_cast<char>(damaged[whole.size() - 6] ^ 1);
  EXPECT_HAS(error_of([&] { unpacked(damaged); }), "a.csv.gz: cannot be unpacked as gzip: incorrect data check");
  EXPECT_HAS(error_of([&] { unpacked("text,label\n"); }), "cannot be unpacked as gzip: incorrect header check");
  EXPECT_HAS(error_of([&] { unpacked(whole + "more"); }), "cannot be unpacked");
}

TEST(Gzip, StopsAtWhatIsNoText) {
  const std::string zeros(std::size_t{16} << 20, '\0');
  const std::string member = packed(zeros);
  std::string bomb;
  for (int i = 0; i < 20; ++i) bomb += member;
  EXPECT_HAS(error_of([&] { unpacked(bomb); }), "unpacks to more than 256 MiB");
}

TEST(TableReader, UnpacksFilesOfAnyKnownKind) {
  const TemporaryFolder folder;
  EXPECT_EQ(read_table(folder.file("a.csv.gz", packed("t,l\nx,y\n"))).rows.front().back(), "y");
  EXPECT_EQ(read_table(folder.file("a.JSONL.GZ", packed("{\"t\": \"x\"}\n"))).rows.front().front(), "x");
  EXPECT_EQ(read_table(folder.file("a.txt.gz", packed("x\n\ny\n"))).rows.size(), 2U);
  std::string large;
  while (large.size() < (std::size_t{20} << 20)) large += std::to_string(large.size()) + "\n";
  EXPECT_EQ(open_table(folder.file("large.txt.gz", packed(large)))->rows(),
            std::count(large.begin(), large.end(), '\n'));
  EXPECT_HAS(error_of([&] { read_table(folder.file("a.gz", packed("x"))); }), "the extension \".gz\"");
  EXPECT_HAS(error_of([&] { read_table(folder.file("b.csv.gz", packed("t,l\nx\n"))); }),
             "b.csv.gz, line 2: the row has");
}

}  // namespace
}  // namespace temper

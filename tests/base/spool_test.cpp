#include "base/spool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace temper {
namespace {

std::vector<std::byte> bytes_from(unsigned first, std::size_t count) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < count; ++i) bytes.push_back(static_cast<std::byte>((first + i) % 251));
  return bytes;
}

void expect_all_there(const Spool& spool, std::size_t count) {
  ASSERT_EQ(spool.size(), count);
  for (const std::size_t first : {std::size_t{0}, count / 3, count / 2, count - 1}) {
    std::vector<std::byte> read(count - first);
    spool.read(first, read);
    EXPECT_EQ(read, bytes_from(static_cast<unsigned>(first % 251), count - first)) << "from byte " << first;
  }
}

TEST(Spool, GivesBackWhatItTookFromMemoryAndFromItsFile) {
  for (const std::size_t most_in_memory : {std::size_t{0}, std::size_t{100}, std::size_t{1} << 20}) {
    Spool spool(most_in_memory);
    std::size_t count = 0;
    for (std::size_t size = 1; size < 200; size += 7) {
      spool.append(bytes_from(static_cast<unsigned>(count % 251), size));
      count += size;
    }
    expect_all_there(spool, count);
    const Spool moved = std::move(spool);
    expect_all_there(moved, count);
  }
}

TEST(Spool, ShowsAllInOnePiece) {
  constexpr std::size_t kCount = 300000;
  for (const std::size_t most_in_memory : {std::size_t{0}, std::size_t{1000}, std::size_t{1} << 20}) {
    Spool spool(most_in_memory);
    for (std::size_t first = 0; first < kCount; first += 700)
      spool.append(bytes_from(static_cast<unsigned>(first % 251), std::min<std::size_t>(700, kCount - first)));
    const std::vector<std::byte> all = bytes_from(0, kCount);
    EXPECT_TRUE(std::ranges::equal(spool.view(), all)) << most_in_memory;
    spool.forget(65536, 2 * 65536);
    EXPECT_TRUE(std::ranges::equal(spool.view(), all)) << "what was forgotten comes back";
    Spool moved;
    moved = std::move(spool);
    EXPECT_TRUE(std::ranges::equal(moved.view(), all));
  }
  EXPECT_TRUE(Spool().view().empty());
}

TEST(Spool, StaysInMemoryWhereThereIsNoTemporaryFolder) {
  const char* before = std::getenv("TMPDIR");
  const std::string old = before == nullptr ? "" : before;
  ::setenv("TMPDIR", "/proc", 1);  // where nobody can make a file
  Spool spool(10);
  for (unsigned i = 0; i < 10; ++i) spool.append(bytes_from(i * 100, 100));
  if (before == nullptr)
    ::unsetenv("TMPDIR");
  else
    ::setenv("TMPDIR", old.c_str(), 1);
  expect_all_there(spool, 1000);
}

}  // namespace
}  // namespace temper

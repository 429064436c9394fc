#include "data/text/token_cache.h"

#include <gtest/gtest.h>
#include <hdf5.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "base/mapped_file.h"
#include "base/positioned_file.h"
#include "data/text/token_spool.h"
#include "tests/data/example_rows.h"
#include "tests/data/temporary_folder.h"
#include "tests/data/tokenizer/tokenizer_json.h"

namespace temper {
namespace {

using testing_support::error_of;
using testing_support::rows_of_lengths;
using testing_support::rows_with_targets;
using testing_support::rows_with_token_classes;
using testing_support::TemporaryFolder;

const std::string kKey(64, 'a');

std::size_t files_in(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

/// A file as one rank alone would write it.
void store(const std::filesystem::path& file, const TokenRows& rows, const std::string& key = kKey) {
  TokenSpool spool;
  spool.append(rows);
  TokenSpool::Place place;
  place.whole = create_token_file(file, spool.sizes());
  {
    const PositionedFile open(file, PositionedFile::Mode::write);
    for (std::uint64_t first = 0; first < spool.bytes(place);) {
      const TokenSpool::Piece piece = spool.piece(place, first, 16);
      write_at(open.descriptor(), piece.offset, piece.bytes, file);
      first += piece.bytes.size();
    }
  }
  complete_token_file(file, key);
}

TEST(TokenCache, GivesBackWhatWasStored) {
  const TemporaryFolder folder;
  for (const TokenRows& rows : {rows_of_lengths({2, 1, 3}), rows_with_targets({2, 1}, 3),
                                rows_with_token_classes({4, 5}), testing_support::rows_with_weights({3, 2})}) {
    const std::filesystem::path file = token_file_path(folder.path(), kKey);
    store(file, rows);
    const std::optional<TokenLayout> layout = find_token_file(file, kKey);
    ASSERT_TRUE(layout.has_value());
    EXPECT_EQ(testing_support::rows_in(TokenStore(MappedFile(file), *layout)), rows);
  }
  EXPECT_EQ(files_in(folder.path()), 1U);
}

TEST(TokenSpool, PartsWithoutWeightsCountOne) {
  const TokenRows weighted = testing_support::rows_with_weights({2, 1});
  const TokenRows plain = rows_with_token_classes({3});
  for (const bool first : {false, true}) {
    TokenSpool spool;
    spool.append(first ? weighted : plain);
    spool.append(first ? plain : weighted);
    const std::vector<float> expected =
        first ? std::vector<float>{0.5F, 1.5F, 2.5F, 1, 1, 1} : std::vector<float>{1, 1, 1, 0.5F, 1.5F, 2.5F};
    TokenSpool::Place place;
    place.whole = spool.sizes();
    std::vector<std::byte> bytes(place_in_memory(place.whole));
    for (std::uint64_t at = 0; at < spool.bytes(place);) {
      const TokenSpool::Piece piece = spool.piece(place, at, 8);
      std::copy(piece.bytes.begin(), piece.bytes.end(), bytes.begin() + static_cast<std::ptrdiff_t>(piece.offset));
      at += piece.bytes.size();
    }
    const TokenStore store(std::shared_ptr<const void>(), bytes, place.whole);
    EXPECT_EQ(std::vector<float>(store.weights().begin(), store.weights().end()), expected);
    const std::vector<TokenRows> parts = first ? std::vector{weighted, plain} : std::vector{plain, weighted};
    EXPECT_EQ(concatenate(parts).weights, expected);
  }
  // Of another rank's rows, which have weights, these are the part of a rank that has none.
  TokenSpool spool;
  spool.append(plain);
  TokenSpool::Place place;
  place.whole = spool.sizes();
  place.whole.has_weights = true;
  std::vector<std::byte> bytes(place_in_memory(place.whole));
  for (std::uint64_t at = 0; at < spool.bytes(place);) {
    const TokenSpool::Piece piece = spool.piece(place, at, 8);
    std::copy(piece.bytes.begin(), piece.bytes.end(), bytes.begin() + static_cast<std::ptrdiff_t>(piece.offset));
    at += piece.bytes.size();
  }
  const TokenStore store(std::shared_ptr<const void>(), bytes, place.whole);
  EXPECT_EQ(std::vector<float>(store.weights().begin(), store.weights().end()), (std::vector<float>{1, 1, 1}));
}

TEST(TokenCache, AbsentFilesAreAbsent) {
  const TemporaryFolder folder;
  EXPECT_FALSE(find_token_file(folder.path() / "none.h5", kKey));
  EXPECT_FALSE(find_token_file(folder.path() / "none" / "none.h5", kKey));
  EXPECT_FALSE(find_token_file(folder.path(), kKey));
}

TEST(TokenCache, FilesAreHdf5AndSayWhatTheyHold) {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "rows.h5";
  store(file, rows_of_lengths({2, 3}));
  ASSERT_GT(H5Fis_hdf5(file.c_str()), 0);
  const hid_t in = H5Fopen(file.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  const hid_t array = H5Dopen2(in, "ids", H5P_DEFAULT);
  std::vector<std::int32_t> ids(5);
  EXPECT_GE(H5Dread(array, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, ids.data()), 0);
  EXPECT_EQ(ids, rows_of_lengths({2, 3}).ids);
  H5Dclose(array);
  H5Fclose(in);
}

TEST(TokenCache, AnyFlippedByteIsFound) {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "rows.h5";
  store(file, rows_of_lengths({2, 1, 3}));
  const std::string whole = read_text_file(file);
  for (std::size_t place = 0; place < whole.size(); place += 37) {
    std::string damaged = whole;
    damaged[place] = static_cast<char>(damaged[place] ^ 0x10);
    write_file_atomically(file, damaged);
    ASSERT_FALSE(find_token_file(file, kKey)) << "byte " << place;
  }
  write_file_atomically(file, std::string_view(whole).substr(0, whole.size() / 2));
  EXPECT_FALSE(find_token_file(file, kKey)) << "cut in half";
  store(file, rows_of_lengths({2, 1, 3}));
  EXPECT_TRUE(find_token_file(file, kKey));
}

TEST(TokenCache, ForeignFilesAndThoseOfOtherKeysAreAbsent) {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "rows.h5";
  store(file, rows_of_lengths({2}));
  EXPECT_FALSE(find_token_file(file, std::string(64, 'b')));
  write_file_atomically(file, std::string(4000, 'x'));
  EXPECT_FALSE(find_token_file(file, kKey));
}

TEST(TokenCache, AFullDiskLeavesNothingBehind) {
  const TemporaryFolder folder;
  // A limit on the size of files fails a write half-way, as a full disk does.
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1024, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string message = error_of([&] { store(folder.path() / "rows.h5", rows_of_lengths({2, 1, 3})); });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_HAS(message, "cannot be written: File too large");
  EXPECT_EQ(files_in(folder.path()), 0U);
}

TEST(TokenCache, AFolderThatIsNotThereIsAnError) {
  const TemporaryFolder folder;
  EXPECT_HAS(error_of([&] { create_token_file(folder.path() / "none" / "rows.h5", {}); }),
             "cannot be created: No such file or directory");
}

TEST(TokenSpool, PartsOfRanksMakeTheWhole) {
  const TokenRows whole = rows_with_token_classes({4, 5, 1, 2});
  const auto part_of = [&](std::size_t begin, std::size_t end) {
    TokenRows part;
    for (std::size_t row = begin; row < end; ++row) {
      const auto first = static_cast<std::ptrdiff_t>(whole.starts[row]);
      const auto last = static_cast<std::ptrdiff_t>(whole.starts[row + 1]);
      part.ids.insert(part.ids.end(), whole.ids.begin() + first, whole.ids.begin() + last);
      part.classes.insert(part.classes.end(), whole.classes.begin() + first, whole.classes.begin() + last);
      // Of the last rows alone one has a segment.
      for (auto t = first; t < last; ++t) part.types.push_back(row == 3 ? 1 : 0);
      part.starts.push_back(part.tokens());
    }
    return part;
  };
  std::vector<TokenSpool> spools(4);  // the first rank has nothing, the last one two blocks
  spools[1].append(part_of(0, 1));
  spools[2].append(part_of(1, 2));
  spools[3].append(part_of(2, 3));
  spools[3].append(part_of(3, 4));
  TokenSpool::Place place;
  place.whole.rows = whole.rows();
  place.whole.tokens = whole.tokens();
  place.whole.classes = whole.tokens();
  place.whole.has_types = true;
  std::vector<std::byte> bytes(place_in_memory(place.whole), std::byte{0xFF});
  for (const TokenSpool& spool : spools) {
    for (std::uint64_t first = 0; first < spool.bytes(place);) {
      const TokenSpool::Piece piece = spool.piece(place, first, 8);
      std::copy(piece.bytes.begin(), piece.bytes.end(), bytes.begin() + static_cast<std::ptrdiff_t>(piece.offset));
      first += piece.bytes.size();
    }
    place.rows += spool.sizes().rows;
    place.tokens += spool.sizes().tokens;
    place.classes += spool.sizes().classes;
  }
  TokenRows expected = whole;
  expected.types = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1};
  EXPECT_EQ(testing_support::rows_in(TokenStore(nullptr, bytes, place.whole)), expected);
}

class TokenCacheKeyTest : public testing::Test {
 protected:
  [[nodiscard]] std::string key() const {
    TokenCacheKey rows(table, columns);
    rows.look_at(table);
    return rows.key(*tokenizer, labels, options);
  }

  std::unique_ptr<Tokenizer> tokenizer = testing_support::tokenizer_of(testing_support::small_bert());
  Table table{"a.csv", {"text", "label", "note"}, {{"the cat", "x", "1"}, {"a cat", "y", "2"}}, {2, 3}};
  ColumnChoice columns{"text", "", "label"};
  LabelSet labels = LabelSet::from_names({"x", "y"});
  TokenizeOptions options{16, 1, LabelKind::single_class};
};

TEST_F(TokenCacheKeyTest, IsASha256AndDependsOnNothingElse) {
  const std::string first = key();
  EXPECT_EQ(first.size(), 64U);
  table.path = "b.csv";
  table.rows[0][2] = "another note";
  options.threads = 7;
  EXPECT_EQ(key(), first);
}

TEST_F(TokenCacheKeyTest, ChangesWithEverythingThatMatters) {
  const std::string first = key();
  const auto changes = [&](auto&& value, auto other) {
    auto before = std::exchange(value, other);
    const bool differs = key() != first;
    value = before;
    return differs;
  };
  EXPECT_TRUE(changes(table.rows[1][0], "a cab"));
  EXPECT_TRUE(changes(table.rows[1][1], "x"));
  EXPECT_TRUE(changes(columns.text_pair, "note"));
  EXPECT_TRUE(changes(columns.label, ""));
  EXPECT_TRUE(changes(columns.indicators, std::vector<std::string>{"note"}));
  EXPECT_TRUE(changes(labels, LabelSet::from_names({"y", "x"})));
  EXPECT_TRUE(changes(options.max_length, 17));
  EXPECT_TRUE(changes(options.kind, LabelKind::multi_label));
  std::swap(table.rows[0], table.rows[1]);
  EXPECT_NE(key(), first);
}

TEST_F(TokenCacheKeyTest, DoesNotDependOnTheChunks) {
  const std::string first = key();
  TokenCacheKey rows(table, columns);
  for (const std::vector<std::string>& row : table.rows) rows.look_at({"", table.columns, {row}, {2}});
  EXPECT_EQ(rows.key(*tokenizer, labels, options), first);
}

TEST_F(TokenCacheKeyTest, ChangesWithTheTokenizer) {
  const std::string first = key();
  tokenizer = testing_support::tokenizer_of(testing_support::small_roberta());
  EXPECT_NE(key(), first);
}

TEST_F(TokenCacheKeyTest, DoesNotConfuseNeighbouringFields) {
  columns.text_pair = "note";
  table.rows = {{"ab", "x", "c"}};
  const std::string first = key();
  table.rows = {{"a", "x", "bc"}};
  EXPECT_NE(key(), first);
}

}  // namespace
}  // namespace temper

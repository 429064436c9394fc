#include "data/text/tokenizer_texts.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "data/tokenizer/trained_tokenizer.h"
#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

using testing_support::error_of;
using testing_support::TemporaryFolder;

CountedTexts counts_of(const std::vector<std::filesystem::path>& files, int threads = 2,
                       const std::string& column = "text") {
  return count_words_of_files(files, column, *make_word_split({}), threads);
}

/// "word:count word:count", sorted.
std::string text_of(const CountedTexts& counted) {
  std::string text;
  for (const CountedWord& word : counted.words.sorted())
    text += (text.empty() ? "" : "|") + std::string(word.word) + ":" + std::to_string(word.count);
  return text;
}

TEST(TokenizerTexts, LinesKeepTheirEnds) {
  const TemporaryFolder folder;
  const CountedTexts counted = counts_of({folder.file("a.txt", "\xEF\xBB\xBFof of\n\n  of\r\nof")});
  EXPECT_EQ(text_of(counted), "\n:2|\r\n:1| :1| of:2|of:2");
  EXPECT_EQ(counted.texts, 4);
}

TEST(TokenizerTexts, ColumnsOfEveryKindOfTable) {
  const TemporaryFolder folder;
  const CountedTexts counted = counts_of({folder.file("a.jsonl", "{\"body\": \"an ox\\n\", \"id\": 1}\n"),
                                          folder.file("b.csv", "id,body\n7,an owl\n"), folder.file("c.txt", "an ox")},
                                         2, "body");
  EXPECT_EQ(text_of(counted), "\n:1| owl:1| ox:2|an:3");
}

TEST(TokenizerTexts, CountsDoNotDependOnThreads) {
  const TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "line " + std::to_string(i % 97) + " of x" + std::to_string(i % 31) + "\n";
  const std::filesystem::path file = folder.file("a.txt", text);
  const std::string alone = text_of(counts_of({file}, 1));
  EXPECT_EQ(text_of(counts_of({file}, 3)), alone);
  EXPECT_HAS(alone, " of:3000");
}

TEST(TokenizerTexts, RefusesWhatHoldsNoText) {
  const TemporaryFolder folder;
  const auto blank = folder.file("blank.txt", " \n\n");
  EXPECT_HAS(error_of([&] { counts_of({blank}); }), "blank.txt: no text, expected some to learn a vocabulary from");
  EXPECT_HAS(error_of([&] {
               counts_of({folder.file("bad.txt",
                                      "good\nb\xFF"
                                      "d\n")});
             }),
             "bad.txt: is not UTF-8: byte 0xFF at byte offset 6 (line 2)");
  EXPECT_HAS(error_of([&] { counts_of({folder.path() / "none.txt"}); }), "none.txt: no such file");
  EXPECT_HAS(error_of([&] { counts_of({folder.path()}); }), "is a directory");
  EXPECT_HAS(error_of([&] { counts_of({folder.file("a.jsonl", "{\"body\": \"x\"}\n")}); }), "has no column \"text\"");
}

}  // namespace
}  // namespace temper

// The words of files, counted: what a tokenizer is trained on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "data/tokenizer/pre_tokenizer.h"
#include "data/tokenizer/word_counts.h"

namespace temper {

struct CountedTexts {
  WordCounts words;
  std::int64_t texts = 0;
  std::int64_t bytes = 0;  ///< of all texts
};

/// Texts are the lines of .txt files (.txt.gz), each with its line end, as the tokenizers library's train(files) reads
/// them, and the fields of `column` in the rows of files of other kinds (data/tables/table_reader.h). Memory is that of
/// the distinct words and of a few MiB of text, once per thread. Throws Error for files that are missing, empty or not
/// UTF-8 (with the byte offset), where the column is missing, and where no file holds a word.
CountedTexts count_words_of_files(std::span<const std::filesystem::path> files, const std::string& column,
                                  const PreTokenizer& split, int threads);

}  // namespace temper

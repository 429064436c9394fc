#include "data/text/tokenizer_texts.h"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <exception>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "base/counted.h"
#include "base/error.h"
#include "data/tables/file_text.h"
#include "data/tables/label_values.h"
#include "data/tables/table_reader.h"

namespace temper {
namespace {

constexpr std::size_t kTextsInBlock = 256;
constexpr std::size_t kWordsAtOnce = 512;
constexpr std::size_t kPieceBytes = std::size_t{8} << 20;  // of a text file

class TextCounter {
 public:
  TextCounter(const PreTokenizer& split, int threads)
      : split_(split), words_(static_cast<std::size_t>(std::max(1, threads))) {}

  void count(std::span<const std::string_view> texts) {
    std::atomic<std::size_t> next = 0;
    std::vector<std::exception_ptr> errors(words_.size());
    const auto work = [&](std::size_t thread) {
      try {
        for (;;) {
          const std::size_t begin = kTextsInBlock * next++;
          if (begin >= texts.size()) return;
          count(texts.subspan(begin, std::min(kTextsInBlock, texts.size() - begin)), words_[thread]);
        }
      } catch (...) {
        errors[thread] = std::current_exception();
      }
    };
    {
      const std::size_t blocks = (texts.size() + kTextsInBlock - 1) / kTextsInBlock;
      std::vector<std::jthread> helpers;
      for (std::size_t thread = 1; thread < std::min(words_.size(), blocks); ++thread)
        helpers.emplace_back(work, thread);
      work(0);
    }
    for (const std::exception_ptr& error : errors)
      if (error) std::rethrow_exception(error);
    counted_.texts += static_cast<std::int64_t>(texts.size());
    for (const std::string_view text : texts) {
      counted_.bytes += static_cast<std::int64_t>(text.size());
      is_all_blank_ = is_all_blank_ && is_blank(text);
    }
  }

  /// Whether there was nothing but white space.
  [[nodiscard]] bool is_all_blank() const { return is_all_blank_; }

  CountedTexts finish() {
    for (std::size_t thread = 1; thread < words_.size(); ++thread) {
      words_.front().add_all(words_[thread]);
      words_[thread] = WordCounts();
    }
    counted_.words = std::move(words_.front());
    return std::move(counted_);
  }

 private:
  void count(std::span<const std::string_view> texts, WordCounts& counts) const {
    std::vector<std::string_view> words;
    words.reserve(kWordsAtOnce);
    std::string buffer;
    for (const std::string_view text : texts) {
      if (text.empty()) continue;
      const std::string_view prepared = split_.prepare(text, /*at_start=*/true, buffer);
      for (std::size_t position = 0; position < prepared.size();) {
        position = split_.next_words(prepared, position, words);
        for (const std::string_view word : words) counts.add(word);
      }
    }
  }

  const PreTokenizer& split_;
  std::vector<WordCounts> words_;  // [threads]
  CountedTexts counted_;
  bool is_all_blank_ = true;
};

std::string extension_of(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension;
}

void count_lines(const std::filesystem::path& path, bool compressed, TextCounter& counter) {
  std::error_code ignored;
  // What is no file is refused as all tables are.
  if (!std::filesystem::is_regular_file(path, ignored)) open_table(path);
  const FileText file(path, compressed);
  file.require_utf8();
  const std::string_view text = file.text();
  std::vector<std::string_view> lines;
  for (std::size_t begin = text.size() - without_byte_order_mark(text).size(); begin < text.size();) {
    lines.clear();
    const std::size_t first = begin;
    while (begin < text.size() && begin - first < kPieceBytes) {
      const std::size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
      lines.push_back(text.substr(begin, end - begin));
      begin = end;
    }
    counter.count(lines);
    file.forget(first, begin);
  }
}

void count_rows(const std::filesystem::path& path, const std::string& column, TextCounter& counter) {
  const std::unique_ptr<TableSource> table = open_table(path);
  const std::size_t field = column_index(table->head(), column);
  std::vector<std::string_view> texts;
  table->read(kRowsInChunk, [&](Table& chunk, std::int64_t) {
    texts.clear();
    for (const std::vector<std::string>& row : chunk.rows) texts.emplace_back(row[field]);
    counter.count(texts);
    return true;
  });
}

}  // namespace

CountedTexts count_words_of_files(std::span<const std::filesystem::path> files, const std::string& column,
                                  const PreTokenizer& split, int threads) {
  TextCounter counter(split, threads);
  for (const std::filesystem::path& path : files) {
    const bool compressed = extension_of(path) == ".gz";
    if (extension_of(compressed ? path.stem() : path) == ".txt")
      count_lines(path, compressed, counter);
    else
      count_rows(path, column, counter);
  }
  if (counter.is_all_blank())
    throw Error("{}: no text{}, expected some to learn a vocabulary from; check the files and the column",
                files.front().string(),
                files.size() > 1 ? ", and none in " + counted(files.size() - 1, "more file") : "");
  return counter.finish();
}

}  // namespace temper

// Steps that only split are applied batch by batch. Where a step changes text, everything up to it is done at once:
// its words, changed, are written into one text with a byte between them that no text holds, and the splitting goes on
// from there.
#include <algorithm>
#include <utility>

#include "data/tokenizer/pre_tokenizer.h"

namespace temper {
namespace {

constexpr char kBetweenWords = '\xFF';  // in no valid UTF-8
constexpr std::size_t kBatch = 512;

class PreTokenizerSequence : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(std::vector<std::unique_ptr<PreTokenizer>> steps) : steps_(std::move(steps)) {
    for (std::size_t i = 0; i < steps_.size(); ++i)
      if (steps_[i]->changes_text()) changing_ = i + 1;
  }

  [[nodiscard]] bool changes_text() const override { return changing_ > 0; }

  [[nodiscard]] std::string_view prepare(std::string_view text, bool at_start, std::string& buffer) const override {
    if (changing_ == 0) return text;
    // The first step sees the whole text, each other one the words of the step before, in `before`.
    std::string before;
    std::string changed;
    std::vector<std::string_view> words;
    words.reserve(kBatch);
    buffer = text;
    for (std::size_t i = 0; i < changing_; ++i) {
      before.swap(buffer);
      buffer.clear();
      bool next_at_start = false;
      for (std::size_t start = 0; start < before.size();) {
        const std::string_view word = word_at(before, start);
        const bool first = at_start && start == 0;
        const std::string_view prepared = steps_[i]->prepare(word, first, changed);
        start += word.size() + 1;
        if (i + 1 == changing_) {  // next_words() goes on here
          append(prepared, buffer);
          continue;
        }
        for (std::size_t position = 0; position < prepared.size();) {
          position = steps_[i]->next_words(prepared, position, words);
          if (buffer.empty() && !words.empty()) next_at_start = first && words.front().data() == prepared.data();
          for (const std::string_view part : words) append(part, buffer);
        }
      }
      at_start = next_at_start;
    }
    return buffer;
  }

  std::size_t next_words(std::string_view text, std::size_t position,
                         std::vector<std::string_view>& words) const override {
    if (changing_ == 0) {
      const std::size_t end = steps_.front()->next_words(text, position, words);
      split_further(1, words);
      return end;
    }
    words.clear();
    std::vector<std::string_view> parts;
    parts.reserve(kBatch);
    while (position < text.size() && words.size() < kBatch) {
      const std::string_view word = word_at(text, position);
      for (std::size_t i = 0; i < word.size();) {
        i = steps_[changing_ - 1]->next_words(word, i, parts);
        words.insert(words.end(), parts.begin(), parts.end());
      }
      position += word.size() + 1;
    }
    split_further(changing_, words);
    return std::min(position, text.size());
  }

 private:
  static void append(std::string_view word, std::string& text) {
    if (!text.empty()) text.push_back(kBetweenWords);
    text += word;
  }

  static std::string_view word_at(std::string_view text, std::size_t start) {
    return text.substr(start, text.find(kBetweenWords, start) - start);
  }

  /// Replaces words by what the steps from `step` on make of each.
  void split_further(std::size_t step, std::vector<std::string_view>& words) const {
    if (step == steps_.size()) return;
    std::vector<std::string_view> before;  // becomes `words`, whose capacity is the batch of the next call
    before.reserve(kBatch);
    std::vector<std::string_view> parts;
    parts.reserve(kBatch);
    for (; step < steps_.size(); ++step) {
      before.swap(words);
      words.clear();
      for (const std::string_view word : before) {
        for (std::size_t i = 0; i < word.size();) {
          i = steps_[step]->next_words(word, i, parts);
          words.insert(words.end(), parts.begin(), parts.end());
        }
      }
    }
  }

  std::vector<std::unique_ptr<PreTokenizer>> steps_;
  std::size_t changing_ = 0;  // steps up to the last one that changes text
};

}  // namespace

std::unique_ptr<PreTokenizer> make_pre_tokenizer_sequence(std::vector<std::unique_ptr<PreTokenizer>> steps) {
  return std::make_unique<PreTokenizerSequence>(std::move(steps));
}

}  // namespace temper

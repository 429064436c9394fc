// Rows are tokenised in blocks that the threads take one after the other; the blocks are put together in their order.
#include "data/text/row_tokenization.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/counted.h"
#include "base/error.h"

#include "data/chat/chat_encoder.h"
#include "data/tables/label_reader.h"
#include "data/tables/row_labels.h"

namespace temper {
namespace {

constexpr std::int64_t kRowsInBlock = 128;

class RowTokenizer {
 public:
  RowTokenizer(const Table& table, const ColumnChoice& columns, const Tokenizer& tokenizer, const LabelSet& labels,
               const TokenizeOptions& options, const LabelReader* labels_of_rows)
      : table_(table), tokenizer_(tokenizer), options_(options), text_(column_index(table, columns.text)) {
    if (!columns.text_pair.empty()) pair_ = column_index(table, columns.text_pair);
    if (columns.labelled() && has_label_column(options.kind)) {
      if (labels_of_rows == nullptr) own_.emplace(table, columns, options.kind).look_at(table);
      label_ = labels_of_rows == nullptr ? &*own_ : labels_of_rows;
    }
    if (label_ != nullptr) of_rows_.emplace(table, columns, *label_, labels, options.kind);
    if (pair_ && options.kind == LabelKind::token_class)
      throw Error("{}: words are labelled in one text, not in a pair; leave out the column \"{}\"", table.path.string(),
                  columns.text_pair);
  }

  TokenRows tokenize(std::int64_t begin, std::int64_t end) const {
    TokenRows block = empty();
    for (std::int64_t row = begin; row < end; ++row) {
      const auto i = static_cast<std::size_t>(row);
      try {
        append(block, table_.rows[i]);
      } catch (const Error& error) {
        throw Error("{}: {}", place_of(table_, i), error.what());
      }
    }
    return block;
  }

  /// No rows, but the width that rows will have.
  TokenRows empty() const {
    TokenRows none;
    if (label_ == nullptr) return none;
    none.target_width = of_rows_->target_width();
    return none;
  }

 private:
  // What these throw is given the row's place by tokenize().

  void append(TokenRows& block, const std::vector<std::string>& fields) const {
    if (options_.chat != nullptr) {
      append_conversation(block, fields[text_]);
      return;
    }
    std::vector<std::int32_t> token_classes;
    Encoding encoding;
    if (options_.kind == LabelKind::token_class) {
      encoding = encode_words(fields, token_classes);
    } else if (options_.kind == LabelKind::next_token) {
      encoding = encode_document(fields);
    } else {
      encoding = pair_ ? tokenizer_.encode_pair(fields[text_], fields[*pair_], options_.max_length)
                       : tokenizer_.encode(fields[text_], options_.max_length);
    }
    if (encoding.ids.empty())
      throw Error("the text in column \"{}\" has no tokens; take the row out", table_.columns[text_]);
    block.ids.insert(block.ids.end(), encoding.ids.begin(), encoding.ids.end());
    block.types.insert(block.types.end(), encoding.types.begin(), encoding.types.end());
    block.starts.push_back(block.tokens());
    if (options_.number_words) block.classes.insert(block.classes.end(), token_classes.begin(), token_classes.end());
    if (label_ == nullptr) return;
    if (options_.kind == LabelKind::token_class)
      block.classes.insert(block.classes.end(), token_classes.begin(), token_classes.end());
    else
      of_rows_->append(fields, block.classes, block.targets);
  }

  void append_conversation(TokenRows& block, const std::string& json) const {
    for (const LearntSequence& sequence : options_.chat->encode(json)) {
      block.ids.insert(block.ids.end(), sequence.ids.begin(), sequence.ids.end());
      block.types.resize(block.ids.size());
      for (std::size_t i = 1; i < sequence.ids.size(); ++i)
        block.classes.push_back(sequence.learnt[i] ? sequence.ids[i] : kUnlabelled);
      block.classes.push_back(kUnlabelled);
      // As classes do, they stand at the token that predicts.
      if (!sequence.weights.empty()) {
        block.weights.resize(static_cast<std::size_t>(block.starts.back()), 1.0F);
        block.weights.insert(block.weights.end(), sequence.weights.begin() + 1, sequence.weights.end());
      }
      if (!block.weights.empty()) block.weights.resize(block.ids.size(), 1.0F);
      block.starts.push_back(block.tokens());
    }
  }

  /// The tokens of a document, its end token among them, cut or refused where it is too long.
  [[nodiscard]] Encoding encode_document(const std::vector<std::string>& fields) const {
    constexpr std::size_t kNoLimit = std::size_t{1} << 40;
    const bool cuts = options_.long_documents == LongDocuments::cut;
    // With an end token in its last place a document is whole; so the end is cut off behind it.
    const std::size_t limit = cuts && options_.end_token < 0 ? options_.max_length : kNoLimit;
    Encoding encoding =
        pair_ ? tokenizer_.encode_pair(fields[text_], fields[*pair_], limit) : tokenizer_.encode(fields[text_], limit);
    if (options_.end_token >= 0 && !encoding.ids.empty() && encoding.ids.back() != options_.end_token) {
      encoding.ids.push_back(options_.end_token);
      encoding.types.push_back(encoding.types.back());
    }
    const std::size_t length = encoding.ids.size();
    if (length <= options_.max_length || options_.long_documents == LongDocuments::split) return encoding;
    if (options_.long_documents == LongDocuments::refuse)
      throw Error(
          "the document has {}, more than the {} of data.max_length; raise that, or have long documents split "
          "or cut (data.long_documents)",
          counted(length, "token"), options_.max_length);
    if (options_.end_token < 0) return encoding;
    encoding = pair_ ? tokenizer_.encode_pair(fields[text_], fields[*pair_], options_.max_length)
                     : tokenizer_.encode(fields[text_], options_.max_length);
    if (tokenizer_.cuts_left()) {
      encoding.ids.erase(encoding.ids.begin());
      encoding.ids.push_back(options_.end_token);
    }
    return encoding;
  }

  /// Each word is tokenised alone, with the blank that byte-level tokenizers expect before all but the first.
  Encoding encode_words(const std::vector<std::string>& fields, std::vector<std::int32_t>& classes) const {
    const std::vector<std::string> words = split_words(fields[text_]);
    std::vector<std::optional<std::string>> word_labels(words.size());
    if (label_ != nullptr) {
      word_labels = label_->word_labels(fields);
      if (word_labels.size() != words.size())
        throw Error("{} in column \"{}\" but {} in {}, expected one label per word", counted(words.size(), "word"),
                    table_.columns[text_], counted(word_labels.size(), "label"), label_->described());
    }
    std::vector<std::int32_t> ids;
    std::vector<std::int32_t> text_classes;
    for (std::size_t i = 0; i < words.size(); ++i) {
      const std::int32_t unlabelled = options_.number_words ? static_cast<std::int32_t>(i) : kUnlabelled;
      const std::int32_t word_class = word_labels[i] ? of_rows_->class_of(*word_labels[i]) : unlabelled;
      const std::vector<std::int32_t> pieces = tokenizer_.encode_plain(i == 0 ? words[i] : " " + words[i]);
      for (std::size_t p = 0; p < pieces.size(); ++p) text_classes.push_back(p == 0 ? word_class : kUnlabelled);
      ids.insert(ids.end(), pieces.begin(), pieces.end());
    }
    // The places of the text are sent through the template instead of its ids, to see where they come out: -1, -2, ...
    // are ids of no special token.
    std::vector<std::int32_t> places(ids.size());
    for (std::size_t i = 0; i < places.size(); ++i) places[i] = -1 - static_cast<std::int32_t>(i);
    Encoding encoding = tokenizer_.with_special_tokens(places, options_.max_length);
    for (std::int32_t& id : encoding.ids) {
      const bool special = id >= 0;
      const std::size_t i = special ? 0 : static_cast<std::size_t>(-1 - static_cast<std::int64_t>(id));
      classes.push_back(special ? kUnlabelled : text_classes[i]);
      if (!special) id = ids[i];
    }
    return encoding;
  }

  const Table& table_;
  const Tokenizer& tokenizer_;
  const TokenizeOptions& options_;
  std::size_t text_;
  std::optional<std::size_t> pair_;
  std::optional<LabelReader> own_;
  const LabelReader* label_ = nullptr;
  std::optional<RowLabels> of_rows_;
};

}  // namespace

TokenRows tokenize_rows(const Table& table, const ColumnChoice& columns, const Tokenizer& tokenizer,
                        const LabelSet& labels, const TokenizeOptions& options, std::int64_t begin, std::int64_t end,
                        const LabelReader* labels_of_rows) {
  if (begin < 0 || begin > end || std::cmp_greater(end, table.rows.size()))
    throw Error("{}: rows {} to {} were asked for, the table has {}", table.path.string(), begin, end,
                table.rows.size());
  const RowTokenizer row_tokenizer(table, columns, tokenizer, labels, options, labels_of_rows);
  const auto blocks = static_cast<std::size_t>((end - begin + kRowsInBlock - 1) / kRowsInBlock);
  if (blocks == 0) return row_tokenizer.empty();
  std::vector<TokenRows> parts(blocks);
  std::vector<std::exception_ptr> errors(blocks);
  std::atomic<std::size_t> next_block = 0;
  std::atomic<bool> failed = false;
  const auto work = [&] {
    // Blocks are taken in order and finished once taken, so the first error of the rows is always among the errors.
    while (!failed) {
      const std::size_t block = next_block++;
      if (block >= blocks) return;
      const std::int64_t first = begin + static_cast<std::int64_t>(block) * kRowsInBlock;
      try {
        parts[block] = row_tokenizer.tokenize(first, std::min(first + kRowsInBlock, end));
      } catch (...) {
        errors[block] = std::current_exception();
        failed = true;
      }
    }
  };
  const std::size_t threads = std::min(blocks, static_cast<std::size_t>(std::max(1, options.threads)));
  {
    std::vector<std::jthread> helpers;
    for (std::size_t i = 1; i < threads; ++i) helpers.emplace_back(work);
    work();
  }
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
  return concatenate(parts);
}

}  // namespace temper

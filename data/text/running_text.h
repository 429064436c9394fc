// Running text: documents to the sequences that a language model is trained and measured on.
//
// A document's tokens are those of the tokenizer's template, and behind them the end token where that is wanted and the
// template has not put it there. Each token predicts the next of its own sequence, so the first of a sequence is
// predicted by nothing and does not count.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/packed_rows.h"
#include "data/text/row_tokenization.h"
#include "data/token_store.h"
#include "data/tokenizer/tokenizer.h"

namespace temper {

/// data.pack of a configuration.
enum class TextPacking : std::uint8_t {
  none,       ///< a row is a sequence
  documents,  ///< a row is as many sequences as fit into it
  blocks,     ///< all documents one after the other, cut into sequences of one length, each of which is a row
};

struct TextLayout {
  TextPacking packing = TextPacking::none;
  std::int64_t length = 0;  ///< tokens of the longest sequence, and of a row
};

/// The sequences of tokenised documents: pieces of at most `length` tokens, none of which is of two documents unless
/// they are blocks. Each token has the next of its sequence as its class. `breaks`: documents, rising, before which a
/// block ends, be it full or not.
TokenStore sequences_of(const TokenStore& documents, const TextLayout& layout,
                        std::span<const std::int64_t> breaks = {});

/// Bytes of text that the predicted tokens of all rows stand for: all bytes of the texts, less those that the tokens
/// spell which are not predicted, the first of each row (Tokenizer::bytes_of). So the end token stands for none, and of
/// a text that begins with a special token every byte counts. `all_bytes`: of the texts in the files, UTF-8; negative
/// where documents were cut: then the bytes that the predicted tokens spell.
std::int64_t predicted_bytes(const TokenStore& rows, std::int64_t all_bytes, const Tokenizer& tokenizer);

/// The same of one document, whose tokens are measured in windows of `length` tokens with this stride.
std::int64_t document_bytes(std::span<const std::int32_t> ids, std::int64_t all_bytes, std::int64_t length,
                            std::int64_t stride, const Tokenizer& tokenizer);

/// Windows over whole documents: each begins `stride` tokens behind the one before, and of its tokens those are
/// predicted that no window before it has, with all that stands in the window before them (Hugging Face's recipe for
/// the perplexity of models of fixed length; Press et al., "Shortformer", 2021). Each token but the first of a document
/// is predicted exactly once.
class TextWindows final : public ExampleSource {
 public:
  /// `length`: tokens of a window; `stride`: 1 to length. Throws Error for another one.
  TextWindows(const TokenStore& rows, std::int64_t length, std::int64_t stride);

  [[nodiscard]] std::int64_t rows() const override { return static_cast<std::int64_t>(windows_->size()); }
  [[nodiscard]] std::int64_t cost(std::int64_t row) const override;
  [[nodiscard]] std::int64_t text_bytes() const override { return text_bytes_; }
  void append(std::int64_t row, std::uint32_t example, Batch& batch) const override;
  void set_text_bytes(std::int64_t bytes) { text_bytes_ = bytes; }
  /// The document of a window.
  [[nodiscard]] std::int64_t document(std::int64_t row) const;

 private:
  struct Window {
    std::int64_t begin = 0;  ///< token of the store
    std::int32_t length = 0;
    std::int32_t predicted = 0;  ///< place of the first token of it that is predicted
    std::uint32_t document = 0;
  };
  TokenStore store_;
  std::shared_ptr<const std::vector<Window>> windows_;
  std::int64_t text_bytes_ = 0;
};

}  // namespace temper

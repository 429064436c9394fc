#include "data/text/running_text.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "data/sampler.h"
#include "data/token_rows.h"

namespace temper {
namespace {

bool fits(std::span<const std::int64_t> starts, std::int64_t length) {
  for (std::size_t row = 1; row < starts.size(); ++row)
    if (starts[row] - starts[row - 1] > length) return false;
  return true;
}

}  // namespace

TokenStore sequences_of(const TokenStore& documents, const TextLayout& layout, std::span<const std::int64_t> breaks) {
  TokenStore rows = documents;
  rows.label_with_next_tokens();
  const std::span<const std::int64_t> starts = documents.document_starts();
  if (documents.rows() == 0) return rows;
  if (layout.packing == TextPacking::blocks) {
    std::vector<std::int64_t> blocks{0};
    const auto cut_until = [&](std::int64_t end) {
      while (end - blocks.back() > layout.length) blocks.push_back(blocks.back() + layout.length);
      if (end > blocks.back()) blocks.push_back(end);
    };
    for (const std::int64_t document : breaks) cut_until(starts[static_cast<std::size_t>(document)]);
    cut_until(documents.tokens());
    return rows.with_rows(std::move(blocks));
  }
  if (fits(starts, layout.length)) return rows;
  std::vector<std::int64_t> pieces{0};
  for (std::size_t document = 1; document < starts.size(); ++document) {
    while (starts[document] - pieces.back() > layout.length) pieces.push_back(pieces.back() + layout.length);
    pieces.push_back(starts[document]);
  }
  return rows.with_rows(std::move(pieces));
}

std::int64_t predicted_bytes(const TokenStore& rows, std::int64_t all_bytes, const Tokenizer& tokenizer) {
  const auto spelled = [&](std::int64_t token) {
    return tokenizer.bytes_of(rows.ids()[static_cast<std::size_t>(token)]);
  };
  std::int64_t bytes = all_bytes;
  if (all_bytes < 0) {
    std::vector<std::int64_t> bytes_of(static_cast<std::size_t>(std::max(0, tokenizer.vocabulary_size())));
    for (std::size_t id = 0; id < bytes_of.size(); ++id)
      bytes_of[id] = tokenizer.bytes_of(static_cast<std::int32_t>(id));
    bytes = 0;
    rows.scan(rows.ids(), [&](std::span<const std::int32_t> ids, std::size_t) {
      for (const std::int32_t id : ids) bytes += bytes_of[static_cast<std::size_t>(id)];
      return true;
    });
  }
  for (std::size_t row = 0; row + 1 < rows.starts().size(); ++row) bytes -= spelled(rows.starts()[row]);
  return std::max<std::int64_t>(bytes, 0);
}

std::int64_t document_bytes(std::span<const std::int32_t> ids, std::int64_t all_bytes, std::int64_t length,
                            std::int64_t stride, const Tokenizer& tokenizer) {
  std::int64_t bytes = all_bytes;
  if (all_bytes < 0) {
    bytes = 0;
    for (const std::int32_t id : ids) bytes += tokenizer.bytes_of(id);
  }
  // Windows side by side have nothing in front of their first tokens.
  const std::size_t between = stride == length ? static_cast<std::size_t>(length) : ids.size();
  for (std::size_t first = 0; first < ids.size(); first += between) bytes -= tokenizer.bytes_of(ids[first]);
  return std::max<std::int64_t>(bytes, 0);
}

TextWindows::TextWindows(const TokenStore& rows, std::int64_t length, std::int64_t stride) : store_(rows) {
  if (length < 2 || stride < 1 || stride > length)
    throw Error("windows of {} tokens with a stride of {} were asked for; expected a stride of 1 to that length",
                length, stride);
  std::vector<Window> windows;
  const std::span<const std::int64_t> starts = rows.document_starts();
  for (std::size_t document = 0; document + 1 < starts.size(); ++document) {
    std::int64_t done = starts[document] + 1;  // the first token is not predicted
    for (std::int64_t begin = starts[document];; begin += stride) {
      const std::int64_t end = std::min(begin + length, starts[document + 1]);
      // A window that begins where the one before ended has nothing in front of its first token.
      const std::int64_t predicted = std::max(done, begin + 1);
      windows.push_back({begin, static_cast<std::int32_t>(end - begin), static_cast<std::int32_t>(predicted - begin),
                         static_cast<std::uint32_t>(document)});
      done = end;
      if (end == starts[document + 1]) break;
    }
  }
  require_nameable(static_cast<std::int64_t>(windows.size()));
  windows_ = std::make_shared<const std::vector<Window>>(std::move(windows));
}

std::int64_t TextWindows::cost(std::int64_t row) const { return (*windows_)[static_cast<std::size_t>(row)].length; }

std::int64_t TextWindows::document(std::int64_t row) const {
  return (*windows_)[static_cast<std::size_t>(row)].document;
}

void TextWindows::append(std::int64_t row, std::uint32_t example, Batch& batch) const {
  const Window& window = (*windows_)[static_cast<std::size_t>(row)];
  const auto length = static_cast<std::size_t>(window.length);
  const std::span<const std::int32_t> ids = store_.ids().subspan(static_cast<std::size_t>(window.begin), length);
  Tokens& text = batch.text();
  text.ids.insert(text.ids.end(), ids.begin(), ids.end());
  text.types.resize(text.types.size() + length);
  for (std::int32_t i = 0; i < window.length; ++i) {
    batch.positions.push_back(i);
    const bool counts = i + 1 < window.length && i + 1 >= window.predicted;
    batch.classes.push_back(counts ? ids[static_cast<std::size_t>(i) + 1] : kUnlabelled);
  }
  batch.sequence_starts.push_back(static_cast<std::int32_t>(text.ids.size()));
  batch.examples.push_back(example);
}

}  // namespace temper

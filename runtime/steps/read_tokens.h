// A model's readout (model/readout.h) of rows on the host: which tokens it reads of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "data/token_rows.h"
#include "model/readout.h"

namespace temper {

/// The last token of a sequence that is no padding; the first where all are. A packed row has no padding but what its
/// own text holds.
inline std::size_t last_token(std::span<const std::int32_t> ids, std::int32_t padding_id) {
  std::size_t last = ids.size() - 1;
  if (padding_id < 0) return last;
  while (last > 0 && ids[last] == padding_id) --last;
  return ids[last] == padding_id ? 0 : last;
}

/// The classes of the tokens [begin, begin + length), where `readout` goes by them; else none. `classes`: one per
/// token.
inline std::span<const std::int32_t> classes_for(const Readout& readout, std::span<const std::int32_t> classes,
                                                 std::int64_t begin, std::int64_t length) {
  if (readout.tokens != ReadTokens::labelled) return {};
  return classes.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(length));
}

/// Calls `visit(position)` for the tokens of a sequence that are read, in order; of the mean of all tokens for the
/// first, which stands for the sequence. `classes`: of classes_for.
template <typename Visit>
void for_each_read_token(const Readout& readout, std::span<const std::int32_t> ids,
                         std::span<const std::int32_t> classes, const Visit& visit) {
  switch (readout.tokens) {
    case ReadTokens::first:
    case ReadTokens::mean:
      return visit(std::size_t{0});
    case ReadTokens::last:
      return visit(last_token(ids, readout.padding_id));
    case ReadTokens::labelled:
      for (std::size_t t = 0; t < ids.size(); ++t)
        if (classes[t] != kUnlabelled) visit(t);
      return;
    case ReadTokens::every:
      for (std::size_t t = 0; t < ids.size(); ++t) visit(t);
  }
}

/// How many tokens' hidden states are read of a sequence of `length`. `classes`: of classes_for.
std::int64_t count_read_tokens(const Readout& readout, std::int64_t length, std::span<const std::int32_t> classes);

}  // namespace temper

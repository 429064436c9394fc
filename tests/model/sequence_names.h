// What packed batches of tests say of their sequences: where each starts, and the names by which its tokens draw.
#pragma once

#include <cstdint>
#include <vector>

#include "model/packed_input.h"
#include "tensor/array_bundle.h"

namespace temper::testing_support {

class SequenceNames {
 public:
  /// A sequence of example `example`, of `tokens` tokens, behind those there are.
  void add(std::uint32_t example, std::int32_t tokens) {
    first_rows_.push_back(starts_.back());
    zeros_.push_back(0);
    examples_.push_back(example);
    for (std::int32_t token = 0; token < tokens; ++token) {
      token_examples_.push_back(example);
      token_positions_.push_back(static_cast<std::uint32_t>(token));
    }
    starts_.push_back(starts_.back() + tokens);
    query_starts_.push_back(static_cast<std::int32_t>(examples_.size()));
  }

  /// Uploading `bundle` fills them in.
  void add_to(ArrayBundle& bundle, PackedInput& input, TokenSelection& first_tokens) const {
    bundle.add(starts_, input.starts);
    bundle.add(examples_, input.examples);
    bundle.add(token_examples_, input.token_examples);
    bundle.add(token_positions_, input.token_positions);
    bundle.add(first_rows_, first_tokens.rows);
    bundle.add(query_starts_, first_tokens.starts);
    bundle.add(examples_, first_tokens.examples);
    bundle.add(zeros_, first_tokens.positions);
    first_tokens.one_of_each = true;
  }

 private:
  std::vector<std::int32_t> starts_{0}, first_rows_, query_starts_{0};
  std::vector<std::uint32_t> examples_, token_examples_, token_positions_, zeros_;
};

}  // namespace temper::testing_support

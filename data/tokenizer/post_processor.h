// The last step of a tokenizer: special tokens around one text or two. Every kind of post-processor, and every sequence
// of them, comes down to a pair of templates, so there is one way to apply them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "data/tokenizer/json_node.h"

namespace temper {

/// A place in a template: the first or second text, or one special token.
struct TemplatePiece {
  enum class Kind : std::uint8_t { first, second, special };
  Kind kind;
  std::int32_t id;    // of the special token
  std::int32_t type;  // segment of what stands here
};

struct PostProcessor {
  std::vector<TemplatePiece> single;
  std::vector<TemplatePiece> pair;
};

/// Number of special tokens in a template.
std::size_t special_tokens(std::span<const TemplatePiece> pieces);

/// The post-processor of a tokenizer.json; one that adds nothing where it has none. Throws Error for an unsupported
/// type, and for a special token of an id that is not below `vocabulary_size`.
PostProcessor make_post_processor(const JsonNode& root, std::int32_t vocabulary_size);

}  // namespace temper

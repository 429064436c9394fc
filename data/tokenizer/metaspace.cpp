#include "data/tokenizer/metaspace.h"

#include "data/tokenizer/utf8.h"

namespace temper {

Metaspace read_metaspace(const JsonNode& node) {
  Metaspace metaspace;
  append_utf8(node.member("replacement").character(), metaspace.replacement);
  metaspace.split = node.boolean_or("split", true);
  const bool add_prefix_space = node.boolean_or("add_prefix_space", true);
  const std::optional<JsonNode> scheme = node.optional_member("prepend_scheme");
  if (!scheme) {
    metaspace.prepend = add_prefix_space ? Metaspace::Prepend::always : Metaspace::Prepend::never;
    return metaspace;
  }
  const std::string name = scheme->text();
  if (name == "always") {
    metaspace.prepend = Metaspace::Prepend::always;
  } else if (name == "first") {
    metaspace.prepend = Metaspace::Prepend::first;
  } else if (name == "never") {
    metaspace.prepend = Metaspace::Prepend::never;
  } else {
    throw scheme->unexpected("always, first or never");
  }
  if (!add_prefix_space && metaspace.prepend != Metaspace::Prepend::never)
    throw scheme->unexpected("never, as add_prefix_space is false");
  return metaspace;
}

}  // namespace temper

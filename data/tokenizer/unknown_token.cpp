#include "data/tokenizer/unknown_token.h"

#include "base/error.h"

namespace temper {

UnknownToken::UnknownToken(const JsonNode& model, const Vocabulary& vocabulary)
    : file_(model.file()), place_(model.place()), name_(model.text_or("unk_token", "")) {
  if (is_named()) id_ = vocabulary.find(name_);
}

std::int32_t UnknownToken::id(std::string_view word) const {
  if (id_) return *id_;
  constexpr std::size_t kShown = 60;
  throw Error(
      "{}: {}.unk_token: found \"{}\", which is not in {}.vocab, but \"{}\" has characters without a token; add it or "
      "name another token",
      file_, place_, name_, place_, word.substr(0, kShown));
}

}  // namespace temper

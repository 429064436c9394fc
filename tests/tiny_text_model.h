// A folder of a tiny causal language model that texts can be given to: the weights of the fixture gpt2-causal, and a
// tokenizer with a token for each byte that it knows.
#pragma once

#include <filesystem>
#include <string>

namespace temper::testing_support {

/// Ids 0 to 17 are a to r, 18 a space, 19 a full stop, 20 and 21 the bytes of U+00E9, 22 to 24 those of U+20AC, 25 the
/// sign #, 26 to 28 the digits 1 to 3, 29 <|endoftext|>. `generation`: of generation_config.json; empty: there is none.
/// config.json names no first token and no stop token.
void write_text_model(const std::filesystem::path& folder, const std::string& generation = "");

/// The same with a chat template, and <|endoftext|> as the token that ends texts and fills rows up.
void write_chat_model(const std::filesystem::path& folder, const std::string& chat_template);

}  // namespace temper::testing_support

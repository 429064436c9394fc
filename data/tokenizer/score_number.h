// Scores of tokens as the Hugging Face library reads them: its JSON parser (serde_json) divides the digits by a power
// of ten, which may miss the nearest number by one unit in the last place. Where two ways to write a word have the same
// tokens in another order, that unit decides between them.
#pragma once

#include <string_view>

namespace temper {

/// The value of a number in the syntax of JSON.
double score_of(std::string_view digits);

}  // namespace temper

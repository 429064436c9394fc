// Learning the merges of a byte-level BPE (Sennrich, Haddow, Birch 2016; bytes: Radford et al. 2019). The result is
// that of the tokenizers library's BpeTrainer, in every detail that decides between merges:
//  - Ids are given to special tokens first, then to the alphabet in the order of its characters, then to merges.
//  - The most frequent pair is merged next; of equally frequent ones, that of the lower first id, then second id.
//  - Counts are by place, overlapping ones too: "aaa" has "aa" twice.
//  - What a merge makes may be a token already ("ab" + "c" after "a" + "bc", or a special token); it keeps its id.
//    A pair with such a token waits in the queue once for each merge that brought it about, with the words of that
//    merge.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/tokenizer/word_counts.h"

namespace temper {

struct BytePairSettings {
  std::int64_t vocabulary = 0;     ///< tokens at most: special ones, alphabet and merges
  std::int64_t min_frequency = 0;  ///< pairs that are rarer are not merged
  /// Not empty, each once. They are not looked for in the words.
  std::vector<std::string> special_tokens;
  /// The alphabet is all 256 bytes; else those that the words hold.
  bool all_bytes = true;
};

struct BytePairs {
  std::vector<std::string> tokens;  ///< [ids] in GPT-2's alphabet (byte_alphabet.h); special ones as they are
  std::vector<std::pair<std::uint32_t, std::uint32_t>> merges;  ///< ids of both parts, first merge first
};

/// Of words as bytes, none of them empty, each once. Throws Error where the special tokens and the alphabet alone are
/// more than `settings.vocabulary`. Time and memory grow with the distinct words and not with their counts.
BytePairs learn_byte_pairs(std::span<const CountedWord> words, const BytePairSettings& settings);

}  // namespace temper

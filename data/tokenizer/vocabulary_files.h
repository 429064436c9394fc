// The vocabulary of folders without tokenizer.json: vocab.txt of WordPiece, vocab.json and merges.txt of BPE, read as
// the tokenizers library reads them.
#pragma once

#include <filesystem>

#include "data/tokenizer/tokenizer_file.h"

namespace temper {

/// One token per line; the line number is its id; of equal tokens the last one counts. White space at the end of a line
/// is ignored. Throws Error if the file cannot be read, is not UTF-8 or is empty.
void read_vocab_txt(const std::filesystem::path& path, TokenizerFile& file);

/// vocab.json: an object of ids. merges.txt: two tokens per line, the first pair first; lines that begin with #version
/// are not merges. Throws Error naming the file and the place.
void read_vocab_json(const std::filesystem::path& path, TokenizerFile& file);
void read_merges_txt(const std::filesystem::path& path, TokenizerFile& file);

}  // namespace temper

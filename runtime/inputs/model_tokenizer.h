// The tokenizer of a model, be it a Hugging Face folder or a GGUF file.
#pragma once

#include <filesystem>

#include "data/tokenizer/ggml_vocabulary.h"
#include "data/tokenizer/tokenizer_folder.h"
#include "model/gguf/gguf_metadata.h"
#include "model/gguf/gguf_writer.h"

namespace temper {

/// Throws Error as read_tokenizer_folder does, and for a GGUF file without a tokenizer that can be read, or with
/// another number of tokens than it has rows of embeddings.
TokenizerFolder read_model_tokenizer(const std::filesystem::path& model,
                                     TruncationSide side = TruncationSide::as_tokenizer);

/// What "tokenizer.ggml..." says. Throws Error for values of other types.
GgmlVocabulary read_ggml_vocabulary(const GgufMetadata& metadata);

/// The same as keys of a GGUF file.
GgufKeys keys_of(const GgmlVocabulary& vocabulary);

}  // namespace temper

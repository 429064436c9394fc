// The token cache: a folder with one HDF5 file for each data set that was tokenised, whose arrays lie in one piece each
// and are mapped. The folder may be shared by runs and ranks: files appear whole, and what is damaged or foreign counts
// as absent. HDF5 is not thread-safe: call these from one thread at a time, the one that makes all other HDF5 calls of
// the program.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/tables/table.h"
#include "data/text/row_tokenization.h"
#include "data/token_store.h"

namespace temper {

/// SHA-256 of any amount of text, a piece of bounded size at a time. Each text's length is part of it, so no two rows
/// of texts look alike.
class TextDigest {
 public:
  void add(std::string_view text);
  [[nodiscard]] std::string hex() const;

 private:
  static constexpr std::size_t kPiece = std::size_t{1} << 20;
  std::string piece_;
  std::string digests_;
};

/// Names what tokenize_rows gives for all rows of a table, whose chunks it is shown one after the other.
class TokenCacheKey {
 public:
  /// `head`: of the table. Throws Error for a missing column.
  TokenCacheKey(const Table& head, const ColumnChoice& columns);
  void look_at(const Table& chunk);
  /// SHA-256, in hexadecimal, of the text in the chosen columns of all rows, the tokenizer, the label names, the
  /// options that matter and the version of the file format. Neither the table's path nor its other columns have a part
  /// in it.
  [[nodiscard]] std::string key(const Tokenizer& tokenizer, const LabelSet& labels,
                                const TokenizeOptions& options) const;

 private:
  TextDigest rows_;
  std::vector<std::size_t> used_;
};

/// The file of a key.
std::filesystem::path token_file_path(const std::filesystem::path& folder, const std::string& key);

/// How the file of this key is laid out; nothing if there is none, or none that is whole (its XXH3 checksum is
/// compared).
std::optional<TokenLayout> find_token_file(const std::filesystem::path& file, const std::string& key);

/// Makes a file with room for arrays of these sizes, in any folder, and gives back where they lie in it. Where that
/// fails nothing stays behind. Throws Error with the system's reason.
TokenLayout create_token_file(const std::filesystem::path& file, const TokenLayout& sizes);

/// Once all arrays are written: notes key and checksum, and sees that the disk has all. Throws Error with the system's
/// reason.
void complete_token_file(const std::filesystem::path& file, const std::string& key);

}  // namespace temper

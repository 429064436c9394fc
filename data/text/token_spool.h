// Tokenised rows on their way from one rank's part to the store of all: they come block by block and are read piece by
// piece, so that no rank holds many of them in memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/spool.h"
#include "data/token_rows.h"
#include "data/token_store.h"

namespace temper {

/// The arrays of rows, as TokenLayout has them.
enum class TokenArray : std::uint8_t { starts, ids, types, classes, weights, targets };
inline constexpr std::array<TokenArray, 6> kTokenArrays{TokenArray::starts,  TokenArray::ids,     TokenArray::types,
                                                        TokenArray::classes, TokenArray::weights, TokenArray::targets};

/// Where an array begins in the bytes of a layout.
std::uint64_t place_of(const TokenLayout& layout, TokenArray array);
/// Bytes of one element.
std::uint64_t element_bytes(TokenArray array);

class TokenSpool {
 public:
  /// Puts rows behind those that are there. Throws Error where they have labels of another kind.
  void append(const TokenRows& rows);

  /// Sizes of the arrays, without places.
  [[nodiscard]] const TokenLayout& sizes() const { return sizes_; }

  /// Where the arrays of this part begin among those of all ranks, and how all are laid out.
  struct Place {
    std::int64_t rows = 0;
    std::int64_t tokens = 0;
    std::int64_t classes = 0;
    TokenLayout whole;
  };
  /// Bytes that this part gives to the whole, in all arrays; what piece() counts in.
  [[nodiscard]] std::uint64_t bytes(const Place& place) const;
  /// Some bytes of the part and where they belong in the whole. `first`: of 0 to bytes() - 1; a piece is at most `most`
  /// bytes long, a multiple of 8, and ends with its array.
  struct Piece {
    std::uint64_t offset = 0;
    std::vector<std::byte> bytes;
  };
  [[nodiscard]] Piece piece(const Place& place, std::uint64_t first, std::uint64_t most) const;

 private:
  [[nodiscard]] std::uint64_t count(const Place& place, TokenArray array) const;

  TokenLayout sizes_;
  Spool starts_;  ///< where each row ends, in tokens of this part
  Spool ids_;
  Spool types_;  ///< empty as long as all are 0
  Spool classes_;
  Spool weights_;  ///< empty as long as all are 1
  Spool targets_;
};

}  // namespace temper

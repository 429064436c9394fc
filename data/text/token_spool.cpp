#include "data/text/token_spool.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/error.h"

namespace temper {
namespace {

template <typename T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

/// Weights of a part that has none of its own. A piece begins and ends with an element.
void fill_with_ones(std::span<std::byte> bytes) {
  constexpr float kOne = 1.0F;
  for (std::size_t i = 0; i < bytes.size(); i += sizeof(kOne)) std::memcpy(&bytes[i], &kOne, sizeof(kOne));
}

/// Puts `count` elements of one value behind those that are there.
template <typename T>
void append_equal(Spool& spool, T value, std::int64_t count) {
  const std::vector<T> some(std::size_t{1} << 14, value);
  for (auto left = static_cast<std::size_t>(count); left > 0; left -= std::min(left, some.size()))
    spool.append(std::as_bytes(std::span(some).first(std::min(left, some.size()))));
}

}  // namespace

std::uint64_t place_of(const TokenLayout& layout, TokenArray array) {
  switch (array) {
    case TokenArray::starts:
      return layout.starts_at;
    case TokenArray::ids:
      return layout.ids_at;
    case TokenArray::types:
      return layout.types_at;
    case TokenArray::classes:
      return layout.classes_at;
    case TokenArray::weights:
      return layout.weights_at;
    case TokenArray::targets:
      break;
  }
  return layout.targets_at;
}

std::uint64_t element_bytes(TokenArray array) {
  return array == TokenArray::starts ? sizeof(std::int64_t) : sizeof(std::int32_t);
}

void TokenSpool::append(const TokenRows& rows) {
  require_consistent(rows, "a block of tokenised rows");
  if (rows.rows() == 0) return;
  if (sizes_.rows > 0 && sizes_.target_width != rows.target_width)
    throw Error("rows of {} and of {} targets cannot be one data set", sizes_.target_width, rows.target_width);
  std::vector<std::int64_t> ends(rows.starts.begin() + 1, rows.starts.end());
  for (std::int64_t& end : ends) end += sizes_.tokens;
  starts_.append(bytes_of(ends));
  ids_.append(bytes_of(rows.ids));
  const bool zero = std::all_of(rows.types.begin(), rows.types.end(), [](std::int32_t type) { return type == 0; });
  if (!zero && !sizes_.has_types) {
    sizes_.has_types = true;
    append_equal(types_, std::int32_t{0}, sizes_.tokens);
  }
  if (sizes_.has_types) types_.append(bytes_of(rows.types));
  classes_.append(bytes_of(rows.classes));
  if (!rows.weights.empty() && !sizes_.has_weights) {
    sizes_.has_weights = true;
    append_equal(weights_, 1.0F, sizes_.tokens);
  }
  weights_.append(bytes_of(rows.weights));
  if (sizes_.has_weights && rows.weights.empty()) append_equal(weights_, 1.0F, rows.tokens());
  targets_.append(bytes_of(rows.targets));
  sizes_.rows += rows.rows();
  sizes_.tokens += rows.tokens();
  sizes_.classes += static_cast<std::int64_t>(rows.classes.size());
  sizes_.target_width = rows.target_width;
}

std::uint64_t TokenSpool::count(const Place& place, TokenArray array) const {
  switch (array) {
    case TokenArray::starts:
      // The zero in front of all rows comes from whoever has the first.
      return static_cast<std::uint64_t>(sizes_.rows + (place.rows == 0 && sizes_.rows > 0 ? 1 : 0));
    case TokenArray::ids:
      return static_cast<std::uint64_t>(sizes_.tokens);
    case TokenArray::types:
      return static_cast<std::uint64_t>(place.whole.has_types ? sizes_.tokens : 0);
    case TokenArray::classes:
      return static_cast<std::uint64_t>(sizes_.classes);
    case TokenArray::weights:
      return static_cast<std::uint64_t>(place.whole.has_weights ? sizes_.tokens : 0);
    case TokenArray::targets:
      break;
  }
  return static_cast<std::uint64_t>(sizes_.targets());
}

std::uint64_t TokenSpool::bytes(const Place& place) const {
  std::uint64_t all = 0;
  for (const TokenArray array : kTokenArrays) all += count(place, array) * element_bytes(array);
  return all;
}

TokenSpool::Piece TokenSpool::piece(const Place& place, std::uint64_t first, std::uint64_t most) const {
  Piece piece;
  for (const TokenArray array : kTokenArrays) {
    const std::uint64_t size = count(place, array) * element_bytes(array);
    if (first >= size) {
      first -= size;
      continue;
    }
    piece.bytes.resize(std::min(most, size - first));
    std::span<std::byte> out(piece.bytes);
    std::int64_t before = 0;  // elements of the whole in front of this part's
    switch (array) {
      case TokenArray::starts: {
        const bool leads = place.rows == 0;
        before = leads ? 0 : place.rows + 1;
        std::uint64_t from = first;
        if (leads && first == 0) out = out.subspan(sizeof(std::int64_t));
        if (leads) from -= std::min<std::uint64_t>(first, sizeof(std::int64_t));
        starts_.read(from, out);
        for (std::size_t i = 0; i < out.size(); i += sizeof(std::int64_t)) {
          std::int64_t end = 0;
          std::memcpy(&end, &out[i], sizeof(end));
          end += place.tokens;
          std::memcpy(&out[i], &end, sizeof(end));
        }
        break;
      }
      case TokenArray::ids:
        before = place.tokens;
        ids_.read(first, out);
        break;
      case TokenArray::types:
        before = place.tokens;
        // Where this part has none, they are 0, as the bytes are already.
        if (sizes_.has_types) types_.read(first, out);
        break;
      case TokenArray::classes:
        before = place.classes;
        classes_.read(first, out);
        break;
      case TokenArray::weights:
        before = place.tokens;
        if (sizes_.has_weights) {
          weights_.read(first, out);
        } else {
          fill_with_ones(out);
        }
        break;
      case TokenArray::targets:
        before = place.rows * place.whole.target_width;
        targets_.read(first, out);
        break;
    }
    piece.offset = place_of(place.whole, array) + static_cast<std::uint64_t>(before) * element_bytes(array) + first;
    return piece;
  }
  return piece;
}

}  // namespace temper

#include "data/dataset.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <limits>
#include <tuple>

#include "base/error.h"

namespace temper {
namespace {

constexpr std::uint64_t kMagic = 0x31415441'44504D54;  // "TMPDATA1" in memory

/// What serialize writes first: the magic number, the target width and the sizes of the five arrays.
using Header = std::array<std::uint64_t, 7>;

template <typename T>
std::byte* put(std::byte* to, std::span<const T> values) {
  if (!values.empty()) std::memcpy(to, values.data(), values.size_bytes());
  return to + values.size_bytes();
}

template <typename T>
void take(std::span<const std::byte>& bytes, std::vector<T>& values, std::uint64_t count) {
  if (count > bytes.size() / sizeof(T))
    throw Error("a tokenised part from another rank is cut short: {} values were announced, {} bytes are left", count,
                bytes.size());
  values.resize(static_cast<std::size_t>(count));
  if (count == 0) return;
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  bytes = bytes.subspan(values.size() * sizeof(T));
}

}  // namespace

std::vector<std::int64_t> Dataset::lengths() const {
  std::vector<std::int64_t> lengths(static_cast<std::size_t>(rows()));
  for (std::size_t row = 0; row < lengths.size(); ++row) lengths[row] = starts[row + 1] - starts[row];
  return lengths;
}

void require_consistent(const Dataset& dataset, const std::string& source) {
  const auto fail = [&](const char* what) { throw Error("{}: {}", source, what); };
  const std::vector<std::int64_t>& starts = dataset.starts;
  if (starts.empty() || starts.front() != 0 || starts.back() != dataset.tokens())
    fail("the rows do not cover the tokens");
  if (std::adjacent_find(starts.begin(), starts.end(), std::greater_equal<>()) != starts.end())
    fail("a row has no tokens");
  if (dataset.types.size() != dataset.ids.size()) fail("not every token has a segment");
  const std::size_t classes = dataset.classes.size();
  if (classes != 0 && classes != dataset.ids.size() && classes != starts.size() - 1)
    fail("the classes are neither one a row nor one a token");
  if (dataset.target_width < 0 ||
      dataset.targets.size() != (starts.size() - 1) * static_cast<std::size_t>(dataset.target_width))
    fail("not every row has its targets");
}

Dataset concatenate(std::span<const Dataset> parts) {
  Dataset whole;
  std::size_t tokens = 0;
  std::size_t rows = 0;
  for (const Dataset& part : parts) {
    tokens += part.ids.size();
    rows += static_cast<std::size_t>(part.rows());
  }
  whole.ids.reserve(tokens);
  whole.types.reserve(tokens);
  whole.starts.reserve(rows + 1);
  for (const Dataset& part : parts) {
    const std::int64_t offset = whole.tokens();
    if (part.target_width != 0) {
      if (whole.target_width != 0 && whole.target_width != part.target_width)
        throw Error("parts of {} and of {} targets a row cannot be one dataset", whole.target_width, part.target_width);
      whole.target_width = part.target_width;
    }
    whole.ids.insert(whole.ids.end(), part.ids.begin(), part.ids.end());
    whole.types.insert(whole.types.end(), part.types.begin(), part.types.end());
    whole.classes.insert(whole.classes.end(), part.classes.begin(), part.classes.end());
    whole.targets.insert(whole.targets.end(), part.targets.begin(), part.targets.end());
    for (std::size_t row = 1; row < part.starts.size(); ++row) whole.starts.push_back(offset + part.starts[row]);
  }
  require_consistent(whole, "parts that were put together");
  return whole;
}

std::vector<std::byte> serialize(const Dataset& dataset) {
  const Header header = {kMagic,
                         static_cast<std::uint64_t>(dataset.target_width),
                         dataset.ids.size(),
                         dataset.types.size(),
                         dataset.starts.size(),
                         dataset.classes.size(),
                         dataset.targets.size()};
  const auto [ids, types, starts, classes, targets] =
      std::tuple(std::span(dataset.ids), std::span(dataset.types), std::span(dataset.starts),
                 std::span(dataset.classes), std::span(dataset.targets));
  std::vector<std::byte> bytes(sizeof(Header) + ids.size_bytes() + types.size_bytes() + starts.size_bytes() +
                               classes.size_bytes() + targets.size_bytes());
  std::byte* end = put(bytes.data(), std::span<const std::uint64_t>(header));
  end = put(end, ids);
  end = put(end, types);
  end = put(end, starts);
  end = put(end, classes);
  put(end, targets);
  return bytes;
}

Dataset deserialize_dataset(std::span<const std::byte> bytes) {
  Header header{};
  if (bytes.size() < sizeof(Header))
    throw Error("a tokenised part from another rank has {} bytes, fewer than its header needs", bytes.size());
  std::memcpy(header.data(), bytes.data(), sizeof(Header));
  bytes = bytes.subspan(sizeof(Header));
  const auto [magic, target_width, ids, types, starts, classes, targets] = header;
  if (magic != kMagic || target_width > std::numeric_limits<std::int32_t>::max())
    throw Error("a tokenised part from another rank is not in this program's form; all ranks must run one version");
  Dataset dataset;
  dataset.target_width = static_cast<std::int32_t>(target_width);
  take(bytes, dataset.ids, ids);
  take(bytes, dataset.types, types);
  take(bytes, dataset.starts, starts);
  take(bytes, dataset.classes, classes);
  take(bytes, dataset.targets, targets);
  if (!bytes.empty()) throw Error("a tokenised part from another rank is {} bytes too long", bytes.size());
  require_consistent(dataset, "a tokenised part from another rank");
  return dataset;
}

}  // namespace temper

#include "data/token_rows.h"

#include <algorithm>
#include <functional>

#include "base/error.h"

namespace temper {

void require_consistent(const TokenRows& rows, const std::string& source) {
  const auto fail = [&](const char* what) { throw Error("{}: {}", source, what); };
  const std::vector<std::int64_t>& starts = rows.starts;
  if (starts.empty() || starts.front() != 0 || starts.back() != rows.tokens()) fail("the rows do not cover the tokens");
  if (std::adjacent_find(starts.begin(), starts.end(), std::greater_equal<>()) != starts.end())
    fail("a row has no tokens");
  if (rows.types.size() != rows.ids.size()) fail("not every token has a segment");
  const std::size_t classes = rows.classes.size();
  if (classes != 0 && classes != rows.ids.size() && classes != starts.size() - 1)
    fail("the classes are neither one per row nor one per token");
  if (!rows.weights.empty() && (rows.weights.size() != rows.ids.size() || classes != rows.ids.size()))
    fail("not every token has a weight and a class");
  if (rows.target_width < 0 || rows.targets.size() != (starts.size() - 1) * static_cast<std::size_t>(rows.target_width))
    fail("not every row has its targets");
}

TokenRows concatenate(std::span<const TokenRows> parts) {
  TokenRows whole;
  std::size_t tokens = 0;
  std::size_t rows = 0;
  for (const TokenRows& part : parts) {
    tokens += part.ids.size();
    rows += static_cast<std::size_t>(part.rows());
  }
  whole.ids.reserve(tokens);
  whole.types.reserve(tokens);
  whole.starts.reserve(rows + 1);
  for (const TokenRows& part : parts) {
    const std::int64_t offset = whole.tokens();
    if (part.target_width != 0) {
      if (whole.target_width != 0 && whole.target_width != part.target_width)
        throw Error("parts of {} and of {} targets a row cannot be one data set", whole.target_width,
                    part.target_width);
      whole.target_width = part.target_width;
    }
    whole.ids.insert(whole.ids.end(), part.ids.begin(), part.ids.end());
    whole.types.insert(whole.types.end(), part.types.begin(), part.types.end());
    whole.classes.insert(whole.classes.end(), part.classes.begin(), part.classes.end());
    if (!part.weights.empty()) whole.weights.resize(static_cast<std::size_t>(offset), 1.0F);
    whole.weights.insert(whole.weights.end(), part.weights.begin(), part.weights.end());
    if (!whole.weights.empty()) whole.weights.resize(whole.ids.size(), 1.0F);
    whole.targets.insert(whole.targets.end(), part.targets.begin(), part.targets.end());
    for (std::size_t row = 1; row < part.starts.size(); ++row) whole.starts.push_back(offset + part.starts[row]);
  }
  require_consistent(whole, "parts that were put together");
  return whole;
}

}  // namespace temper

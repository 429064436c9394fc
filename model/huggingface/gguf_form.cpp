#include "model/huggingface/gguf_form.h"

#include <algorithm>
#include <cstddef>

namespace temper {
namespace {

/// Where a row of a Hugging Face tensor lies in llama.cpp's order.
std::int64_t row_in_gguf(const GgufForm& form, std::int64_t rows, std::int64_t row) {
  if (form.change == GgufChange::paired_queries || form.change == GgufChange::paired_keys) {
    const std::int64_t width = rows / form.heads;
    const std::int64_t within = row % width;
    const std::int64_t half = width / 2;
    return row - within + 2 * (within % half) + within / half;
  }
  if (form.change == GgufChange::apart) {
    const std::int64_t width = rows / form.heads / 3;
    const std::int64_t head = row / (3 * width);
    const std::int64_t part = row / width % 3;
    return part * form.heads * width + head * width + row % width;
  }
  return row;
}

/// Calls visit(here, there) for each run of values that lie together in both.
template <typename Visit>
void for_each_run(const GgufForm& form, std::int64_t rows, std::int64_t columns, const Visit& visit) {
  if (form.change == GgufChange::transposed) {
    for (std::int64_t row = 0; row < rows; ++row)
      for (std::int64_t column = 0; column < columns; ++column)
        visit(static_cast<std::size_t>(row * columns + column), static_cast<std::size_t>(column * rows + row),
              std::size_t{1});
    return;
  }
  for (std::int64_t row = 0; row < rows; ++row)
    visit(static_cast<std::size_t>(row * columns), static_cast<std::size_t>(row_in_gguf(form, rows, row) * columns),
          static_cast<std::size_t>(columns));
}

}  // namespace

void undo_change(const GgufForm& form, std::int64_t rows, std::int64_t columns, std::span<const float> stored,
                 std::span<float> out) {
  const bool moved = form.change == GgufChange::plus_one;
  for_each_run(form, rows, columns, [&](std::size_t here, std::size_t there, std::size_t count) {
    std::transform(stored.begin() + static_cast<std::ptrdiff_t>(there),
                   stored.begin() + static_cast<std::ptrdiff_t>(there + count),
                   out.begin() + static_cast<std::ptrdiff_t>(here),
                   [&](float value) { return moved ? value - 1.0F : value; });
  });
}

void apply_change(const GgufForm& form, std::int64_t rows, std::int64_t columns, std::span<const float> values,
                  std::span<float> out) {
  const bool moved = form.change == GgufChange::plus_one;
  for_each_run(form, rows, columns, [&](std::size_t here, std::size_t there, std::size_t count) {
    std::transform(
        values.begin() + static_cast<std::ptrdiff_t>(here), values.begin() + static_cast<std::ptrdiff_t>(here + count),
        out.begin() + static_cast<std::ptrdiff_t>(there), [&](float value) { return moved ? value + 1.0F : value; });
  });
}

}  // namespace temper

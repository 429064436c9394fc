#include "data/token_store.h"

#include <unistd.h>

#include <cstdint>
#include <string>
#include <utility>

#include "base/error.h"

namespace temper {
namespace {

constexpr std::uint64_t kAlignment = 64;

template <typename T>
std::span<const T> array_at(std::span<const std::byte> bytes, std::uint64_t offset, std::int64_t count) {
  const auto size = static_cast<std::size_t>(count);
  return {reinterpret_cast<const T*>(bytes.subspan(offset, size * sizeof(T)).data()), size};
}

bool all_zero(std::span<const std::int32_t> values) {
  return std::all_of(values.begin(), values.end(), [](std::int32_t value) { return value == 0; });
}

template <typename T>
void append_to(std::vector<T>& to, std::span<const T> from, std::size_t first, std::size_t count) {
  const auto begin = from.begin() + static_cast<std::ptrdiff_t>(first);
  to.insert(to.end(), begin, begin + static_cast<std::ptrdiff_t>(count));
}

}  // namespace

std::uint64_t place_in_memory(TokenLayout& layout) {
  std::uint64_t end = 0;
  const auto place = [&](std::int64_t count, std::size_t size) {
    const std::uint64_t begin = (end + kAlignment - 1) / kAlignment * kAlignment;
    end = begin + static_cast<std::uint64_t>(count) * size;
    return begin;
  };
  layout.starts_at = place(layout.rows + 1, sizeof(std::int64_t));
  layout.ids_at = place(layout.tokens, sizeof(std::int32_t));
  layout.types_at = place(layout.types(), sizeof(std::int32_t));
  layout.classes_at = place(layout.classes, sizeof(std::int32_t));
  layout.weights_at = place(layout.weights(), sizeof(float));
  layout.targets_at = place(layout.targets(), sizeof(float));
  return end;
}

TokenStore::TokenStore(TokenRows rows) {
  const auto held = std::make_shared<const TokenRows>(std::move(rows));
  ids_ = held->ids;
  if (!all_zero(held->types)) types_ = held->types;
  starts_ = held->starts;
  document_starts_ = starts_;
  classes_ = held->classes;
  weights_ = held->weights;
  targets_ = held->targets;
  target_width_ = held->target_width;
  owner_ = held;
}

TokenStore::TokenStore(std::shared_ptr<const void> owner, std::span<const std::byte> bytes, const TokenLayout& layout)
    : owner_(std::move(owner)) {
  view(bytes, layout);
}

TokenStore::TokenStore(MappedFile file, const TokenLayout& layout)
    : file_(std::make_shared<const MappedFile>(std::move(file))) {
  view(file_->bytes(), layout);
}

void TokenStore::view(std::span<const std::byte> bytes, const TokenLayout& layout) {
  ids_ = array_at<std::int32_t>(bytes, layout.ids_at, layout.tokens);
  types_ = array_at<std::int32_t>(bytes, layout.types_at, layout.types());
  starts_ = array_at<std::int64_t>(bytes, layout.starts_at, layout.rows + 1);
  document_starts_ = starts_;
  classes_ = array_at<std::int32_t>(bytes, layout.classes_at, layout.classes);
  weights_ = array_at<float>(bytes, layout.weights_at, layout.weights());
  targets_ = array_at<float>(bytes, layout.targets_at, layout.targets());
  target_width_ = layout.target_width;
}

void TokenStore::append(std::int64_t row, std::uint32_t example, Batch& batch) const {
  const auto r = static_cast<std::size_t>(row);
  const auto first = static_cast<std::size_t>(starts_[r]);
  const auto length = static_cast<std::size_t>(starts_[r + 1]) - first;
  Tokens& text = batch.text();
  append_to(text.ids, ids_, first, length);
  if (types_.empty())
    text.types.resize(text.types.size() + length);
  else
    append_to(text.types, types_, first, length);
  for (std::size_t i = 0; i < length; ++i) batch.positions.push_back(static_cast<std::int32_t>(i));
  batch.sequence_starts.push_back(static_cast<std::int32_t>(text.ids.size()));
  batch.examples.push_back(example);
  if (predicts_next_) {
    append_to(batch.classes, ids_, first + 1, length - 1);
    batch.classes.push_back(kUnlabelled);
  } else if (has_token_classes())
    append_to(batch.classes, classes_, first, length);
  else if (!classes_.empty())
    batch.classes.push_back(classes_[r]);
  // A batch may hold rows of stores of which some have weights.
  if (!weights_.empty()) batch.weights.resize(text.ids.size() - length, 1.0F);
  append_to(batch.weights, weights_, first, weights_.empty() ? 0 : length);
  if (!batch.weights.empty()) batch.weights.resize(text.ids.size(), 1.0F);
  const auto width = static_cast<std::size_t>(target_width_);
  append_to(batch.targets, targets_, r * width, width);
}

void TokenStore::forget_rows(std::int64_t first, std::int64_t count) const {
  const auto row = static_cast<std::size_t>(first);
  const auto rows = static_cast<std::size_t>(count);
  const auto token = static_cast<std::size_t>(starts_[row]);
  const auto tokens = static_cast<std::size_t>(starts_[row + rows]) - token;
  const auto forget_part = [&](const auto& array, std::size_t per_row) {
    if (array.size() == ids_.size() && per_row == 1) return forget(std::as_bytes(array.subspan(token, tokens)));
    if (!array.empty()) forget(std::as_bytes(array.subspan(row * per_row, rows * per_row)));
  };
  forget(std::as_bytes(starts_.subspan(row, rows)));
  forget(std::as_bytes(ids_.subspan(token, tokens)));
  for (const std::span<const std::int32_t> array : {types_, classes_}) forget_part(array, 1);
  forget_part(weights_, 1);
  if (target_width_ > 0)
    forget(std::as_bytes(targets_.subspan(row * static_cast<std::size_t>(target_width_),
                                          rows * static_cast<std::size_t>(target_width_))));
}

TokenStore TokenStore::with_rows(std::vector<std::int64_t> starts) const {
  if (!classes_.empty() || target_width_ != 0)
    throw Error("rows with classes or targets of their own cannot be cut into others");
  TokenStore cut = *this;
  cut.own_starts_ = std::make_shared<const std::vector<std::int64_t>>(std::move(starts));
  cut.starts_ = *cut.own_starts_;
  require_consistent(cut, "rows of running text");
  return cut;
}

void TokenStore::forget(std::span<const std::byte> part) const {
  if (file_ == nullptr) return;
  // Starts of with_rows lie on the heap, which does not come back.
  const std::span<const std::byte> all = file_->bytes();
  if (part.data() < all.data() || part.data() + part.size() > all.data() + all.size()) return;
  // Pages that hold something beside the part may stay.
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(part.data()) + page - 1) / page * page;
  const auto end = (reinterpret_cast<std::uintptr_t>(part.data()) + part.size()) / page * page;
  if (begin < end) file_->forget_pages({reinterpret_cast<const std::byte*>(begin), end - begin});
}

void require_consistent(const TokenStore& store, const std::string& source) {
  const auto fail = [&](const char* what) { throw Error("{}: {}", source, what); };
  if (store.starts().front() != 0 || store.starts().back() != store.tokens()) fail("the rows do not cover the tokens");
  std::int64_t before = -1;
  bool rises = true;
  store.scan(store.starts(), [&](std::span<const std::int64_t> starts, std::size_t) {
    for (const std::int64_t start : starts) rises = rises && std::exchange(before, start) < start;
    return rises;
  });
  if (!rises) fail("a row has no tokens");
  const auto classes = static_cast<std::int64_t>(store.classes().size());
  if (classes != 0 && classes != store.tokens() && classes != store.rows())
    fail("the classes are neither one per row nor one per token");
  if (!store.weights().empty() && classes != store.tokens()) fail("weights are of classes, one per token");
}

}  // namespace temper

#include "comm/exchange/gradient_buckets.h"

#include <algorithm>

namespace temper {
namespace {

/// The buckets that a slot reaches into: first and one past the last.
std::pair<int, int> buckets_of(const ArenaSlot& slot, const BucketPlan& plan) {
  const std::int64_t bucket_size = plan.buckets.front().size();
  const std::int64_t last_element = slot.begin + std::max<std::int64_t>(slot.size, 1) - 1;
  return {static_cast<int>(slot.begin / bucket_size), static_cast<int>(last_element / bucket_size) + 1};
}

}  // namespace

GradientBuckets::GradientBuckets(Communicator& communicator, Device& device, const ArenaLayout& layout, int leaves,
                                 const BucketOptions& options)
    : device_(device),
      timeline_(options.timeline),
      layout_(layout),
      leaves_(leaves),
      grains_(leaves_of_rank(leaves, communicator.size(), communicator.rank())),
      buffer_count_(count_buffers(leaves, grains_)) {
  exchange_ =
      make_gradient_exchange(communicator, device,
                             {layout_, leaves_, buffer_count_, options.elements, options.share_memory, options.nccl,
                              options.sum_order, options.working, options.table, options.compression});
  table_ = exchange_->table();
  if (table_ != nullptr) {
    table_slot_ = options.table->slot;
    rows_ = RowSet(table_->rows());
    written_.assign(static_cast<std::size_t>(buffer_count_), rows_);
  }
  slots_in_bucket_.assign(exchange_->plan().buckets.size(), 0);
  for (const ArenaSlot& slot : layout_.slots()) {
    const auto [first, last] = buckets_of(slot, exchange_->plan());
    for (int bucket = first; bucket < last; ++bucket) ++slots_in_bucket_[static_cast<std::size_t>(bucket)];
  }
}

void GradientBuckets::begin_step() {
  held_.clear();
  next_grain_ = grains_.begin;
  next_bucket_ = 0;
}

void GradientBuckets::begin_step(const RowSet& rows) {
  rows_ = rows;
  exchange_->begin_step(rows);
  begin_step();
}

float* GradientBuckets::begin_grain() {
  current_buffer_ = free_buffer(held_);
  merges_.clear();
  push_leaf(leaves_, held_, merges_, next_grain_, current_buffer_);
  completed_.assign(layout_.slots().size(), false);
  open_slots_ = slots_in_bucket_;
  next_bucket_ = 0;
  float* gradients = exchange_->buffer(current_buffer_);
  if (table_ != nullptr) {
    RowSet& written = written_[static_cast<std::size_t>(current_buffer_)];
    for (const ElementRange range : table_->inside(written, {0, layout_.elements()}))
      device_.kernels().run(calls::Clear{.data = gradients + range.begin,
                                         .bytes = range.size() * static_cast<std::int64_t>(sizeof(float))});
    written = rows_;
  }
  return gradients;
}

void GradientBuckets::complete(std::int64_t slot) {
  const auto index = static_cast<std::size_t>(slot);
  if (completed_[index]) return;
  completed_[index] = true;
  const auto [first, last] = buckets_of(layout_.slots()[index], exchange_->plan());
  for (int bucket = first; bucket < last; ++bucket) --open_slots_[static_cast<std::size_t>(bucket)];
  // Buckets are closed in order, so that all ranks exchange them in the same order.
  while (next_bucket_ < static_cast<int>(open_slots_.size()) &&
         open_slots_[static_cast<std::size_t>(next_bucket_)] == 0)
    close_bucket(next_bucket_++);
}

void GradientBuckets::end_grain() {
  float* gradients = exchange_->buffer(current_buffer_);
  for (std::size_t i = 0; i < completed_.size(); ++i) {
    if (completed_[i]) continue;
    const ArenaSlot slot = layout_.slots()[i];
    if (static_cast<std::int64_t>(i) != table_slot_)
      device_.kernels().run(
          calls::Clear{.data = gradients + slot.begin, .bytes = slot.size * static_cast<std::int64_t>(sizeof(float))});
    complete(static_cast<std::int64_t>(i));
  }
  ++next_grain_;
}

void GradientBuckets::finish() {
  if (grains_.begin == grains_.end)
    for (; next_bucket_ < static_cast<int>(slots_in_bucket_.size()); ++next_bucket_)
      exchange_->publish(next_bucket_, {}, {});
  exchange_->finish();
  // The sums of the own slices lie in the first buffer.
  if (table_ != nullptr) written_.front().insert_all_of(exchange_->live_rows());
}

void GradientBuckets::push_leaf(int leaves, std::vector<Held>& held, std::vector<Merge>& merges, int leaf, int buffer) {
  held.push_back({{leaf, leaf + 1}, buffer});
  while (held.size() > 1 && are_siblings(leaves, held[held.size() - 2].node, held.back().node)) {
    const Held right = held.back();
    held.pop_back();
    merges.push_back({held.back().buffer, right.buffer});
    held.back().node.end = right.node.end;
  }
}

int GradientBuckets::free_buffer(const std::vector<Held>& held) {
  int buffer = 0;
  while (std::any_of(held.begin(), held.end(), [&](const Held& node) { return node.buffer == buffer; })) ++buffer;
  return buffer;
}

int GradientBuckets::count_buffers(int leaves, TreeNode grains) {
  std::vector<Held> held;
  std::vector<Merge> merges;
  int most = 1;
  for (int leaf = grains.begin; leaf < grains.end; ++leaf) {
    const int buffer = free_buffer(held);
    most = std::max(most, buffer + 1);
    push_leaf(leaves, held, merges, leaf, buffer);
  }
  return most;
}

void GradientBuckets::close_bucket(int bucket) {
  const ElementRange range = exchange_->plan().buckets[static_cast<std::size_t>(bucket)];
  const std::vector<ElementRange> live =
      table_ == nullptr ? std::vector<ElementRange>{range} : table_->live(rows_, range);
  for (const Merge& merge : merges_)
    for (const ElementRange part : live) {
      float* target = exchange_->buffer(merge.target) + part.begin;
      device_.kernels().run(
          calls::Add{.a = target, .b = exchange_->buffer(merge.source) + part.begin, .out = target, .n = part.size()});
    }
  if (next_grain_ + 1 < grains_.end) return;
  const TimelineScope scope(timeline_, Timeline::Track::buckets, "publish and reduce", bucket);
  std::vector<TreeNode> nodes;
  std::vector<int> buffers;
  for (const Held& node : held_) {
    nodes.push_back(node.node);
    buffers.push_back(node.buffer);
  }
  exchange_->publish(bucket, nodes, buffers);
}

}  // namespace temper

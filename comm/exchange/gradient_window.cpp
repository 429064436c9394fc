#include "comm/exchange/gradient_window.h"

#include <atomic>

namespace temper {
namespace {

std::size_t whole_pages(std::size_t bytes) { return (bytes + 4095) / 4096 * 4096; }

}  // namespace

GradientWindow::GradientWindow(int first, int ranks, std::size_t buckets, const ExchangeRequest& request)
    : first_(first),
      ranks_(ranks),
      elements_(request.layout.elements()),
      has_working_(request.working),
      words_(request.table ? request.table->trained.words().size() : 0),
      indices_(buckets * sizeof(std::uint64_t)),
      rows_(indices_ + kMaxNodes * sizeof(int)),
      header_bytes_(whole_pages(rows_ + words_ * sizeof(std::uint64_t))) {}

std::size_t GradientWindow::part_size(int rank, int buffers) const {
  const auto elements = static_cast<std::size_t>(elements_);
  const std::size_t bytes = header_bytes_ + static_cast<std::size_t>(buffers) * elements * sizeof(float);
  return rank == first_ ? bytes + elements * (sizeof(float) + (has_working_ ? sizeof(BFloat16) : 0)) : bytes;
}

BFloat16* GradientWindow::working() {
  if (!has_working_) return nullptr;
  // Parts are rounded up to whole pages, of which an arena has a whole number too: this one ends the part.
  const std::span<std::byte> all = part(first_);
  return at<BFloat16>(first_, all.size() - static_cast<std::size_t>(elements_) * sizeof(BFloat16));
}

void GradientWindow::publish(int rank, int bucket, std::uint64_t step) {
  std::atomic_ref(at<std::uint64_t>(rank, 0)[bucket]).store(step, std::memory_order_release);
}

bool GradientWindow::is_ready(int bucket, std::uint64_t step) {
  for (int rank = first_; rank < first_ + ranks_; ++rank)
    if (std::atomic_ref(at<std::uint64_t>(rank, 0)[bucket]).load(std::memory_order_acquire) < step) return false;
  return true;
}

}  // namespace temper

#include "comm/exchange/gradient_window.h"

#include <atomic>

namespace temper {
namespace {

std::size_t whole_pages(std::size_t bytes) { return (bytes + 4095) / 4096 * 4096; }

}  // namespace

GradientWindow::GradientWindow(int first, int ranks, const ExchangeRequest& request)
    : first_(first),
      ranks_(ranks),
      elements_(request.layout.elements()),
      words_(request.rows != nullptr ? request.rows->own().words().size() : 0),
      indices_(request.plan.buckets.size() * sizeof(std::uint64_t)),
      rows_(indices_ + kMaxNodes * sizeof(int)),
      header_bytes_(whole_pages(rows_ + words_ * sizeof(std::uint64_t))) {}

void GradientWindow::publish(int rank, int bucket, std::uint64_t step) {
  std::atomic_ref(at<std::uint64_t>(rank, 0)[bucket]).store(step, std::memory_order_release);
}

bool GradientWindow::is_ready(int bucket, std::uint64_t step) {
  for (int rank = first_; rank < first_ + ranks_; ++rank)
    if (std::atomic_ref(at<std::uint64_t>(rank, 0)[bucket]).load(std::memory_order_acquire) < step) return false;
  return true;
}

}  // namespace temper

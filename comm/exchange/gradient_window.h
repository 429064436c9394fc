// The memory through which ranks that share it sum their gradients.
//
// Each rank's part: a header (one counter per bucket, which buffer holds which node, the rows of the sparse table in
// this step), then the gradient buffers. A counter holds the number of the step whose sums the rank has published in
// that bucket; it is released after everything else of the step has been written, and acquired before any of it is
// read.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "comm/exchange/gradient_exchange.h"
#include "comm/exchange/node_window.h"

namespace temper {

class GradientWindow {
 public:
  /// Collective. Between ranks [first, first + ranks) of the communicator, of which this is one. `window` allocates
  /// memory of this many bytes that all of them see; part i belongs to rank first + i.
  template <typename MakeWindow>
  GradientWindow(int first, int ranks, const ExchangeRequest& request, const MakeWindow& window)
      : GradientWindow(first, ranks, request) {
    window_ = window(header_bytes_ + static_cast<std::size_t>(request.buffers * elements_) * sizeof(float));
  }

  float* buffer(int rank, int index) { return at<float>(rank, header_bytes_) + index * elements_; }
  /// Which of a rank's buffers holds its i-th node.
  int& buffer_index(int rank, std::size_t i) { return at<int>(rank, indices_)[i]; }
  /// The rows that a rank's buffers hold something in; as many words as the sparse table's rows need.
  std::span<std::uint64_t> rows(int rank) { return {at<std::uint64_t>(rank, rows_), words_}; }

  void publish(int rank, int bucket, std::uint64_t step);
  /// All ranks have published this bucket.
  bool is_ready(int bucket, std::uint64_t step);

 private:
  static constexpr std::size_t kMaxNodes = 64;  // a contiguous range of leaves has at most 2 log2(leaves) nodes

  GradientWindow(int first, int ranks, const ExchangeRequest& request);
  [[nodiscard]] std::span<std::byte> part(int rank) const { return window_->part(rank - first_); }
  template <typename T>
  T* at(int rank, std::size_t offset) const {
    return reinterpret_cast<T*>(part(rank).data() + offset);
  }

  int first_;
  int ranks_;
  std::int64_t elements_;
  std::size_t words_;
  std::size_t indices_;  ///< bytes from the beginning of a part, like the next two
  std::size_t rows_;
  std::size_t header_bytes_;
  std::unique_ptr<NodeWindow> window_;
};

}  // namespace temper

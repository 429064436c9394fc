// Hidden rows in a window of the node's memory, all in the part of the node's first rank.
#include <algorithm>

#include "base/error.h"
#include "comm/agreement.h"
#include "comm/exchange/node_window.h"
#include "runtime/frozen/frozen_store.h"

namespace temper {
namespace {

class FrozenMemory final : public FrozenStore {
 public:
  FrozenMemory(const FrozenLayout& layout, Communicator& communicator) : layout_(layout), communicator_(communicator) {
    const bool leads = communicator.topology().local_rank == 0;
    const Failure failure = failure_of(
        [&] { window_ = make_node_window(communicator, leads ? static_cast<std::size_t>(layout.bytes()) : 0); });
    try {
      agree_on_success(communicator, failure);
    } catch (const Error&) {
      // A node that has the room gives it back; its ranks are all here.
      window_.reset();
      throw;
    }
  }

  [[nodiscard]] std::string place() const override { return "in memory"; }

  void write_block(std::int64_t block, std::span<const std::byte> rows) override {
    const std::int64_t example = layout_.block_starts[static_cast<std::size_t>(block)];
    const std::int64_t first = layout_.row_starts[static_cast<std::size_t>(example)];
    std::copy(rows.begin(), rows.end(), place_of(first));
  }

  void seal() override { communicator_.barrier(); }

  void read(std::int64_t first, std::span<std::byte> rows) const override {
    std::copy_n(place_of(first), rows.size(), rows.begin());
  }

 private:
  [[nodiscard]] std::byte* place_of(std::int64_t row) const {
    return window_->part(0).data() + row * layout_.row_bytes();
  }

  const FrozenLayout& layout_;
  Communicator& communicator_;
  std::unique_ptr<NodeWindow> window_;
};

}  // namespace

std::unique_ptr<FrozenStore> make_memory_store(const FrozenLayout& layout, Communicator& communicator) {
  return std::make_unique<FrozenMemory>(layout, communicator);
}

}  // namespace temper

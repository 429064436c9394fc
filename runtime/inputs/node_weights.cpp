#include "runtime/inputs/node_weights.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/page_size.h"
#include "comm/agreement.h"
#include "comm/exchange/node_window.h"
#include "tensor/memory.h"

namespace temper {
namespace {

/// What the tensors of a window are given back to. Each begins on a page and has a count of the ranks that still have
/// it; the last of them gives its pages back to the system.
class WindowMemory final : public Memory {
 public:
  /// `counts`: one for each tensor, in the window, too.
  void add(const std::byte* tensor, std::uint32_t* count) { counts_.emplace(tensor, count); }

  void* allocate(std::size_t /*bytes*/) override { throw Error("the weights of a node have no room for more"); }
  void release(void* block, std::size_t bytes) noexcept override {
    const auto found = counts_.find(static_cast<const std::byte*>(block));
    if (found == counts_.end() || std::atomic_ref(*found->second).fetch_sub(1) > 1) return;
    // Where the system cannot, they stay until the window goes.
    (void)::madvise(block, whole_pages(bytes), MADV_REMOVE);
  }
  void trim() noexcept override {}

 private:
  std::map<const std::byte*, std::uint32_t*> counts_;
};

class NodeWeights final : public SharedWeightRoom {
 public:
  using Fill = std::function<void(std::size_t i, std::span<std::byte> bytes)>;

  explicit NodeWeights(Communicator& communicator) : communicator_(communicator) {}

  std::vector<Tensor> make(std::span<const Want> wanted, const Fill& fill) override {
    if (wanted.empty()) return {};
    std::vector<std::size_t> places;
    std::size_t end = whole_pages(wanted.size() * sizeof(std::uint32_t));
    for (const Want& want : wanted) {
      places.push_back(end);
      end += whole_pages(std::max<std::size_t>(bytes_of(want), 1));
    }
    if (!has_window(end)) return make_own(wanted, fill);
    const int ranks = communicator_.topology().local_size;
    const int own = communicator_.topology().local_rank;
    std::byte* const begin = window_->part(0).data();
    agree_on_success(communicator_, failure_of([&] {
                       for (auto i = static_cast<std::size_t>(own); i < wanted.size();
                            i += static_cast<std::size_t>(ranks))
                         fill(i, {begin + places[i], bytes_of(wanted[i])});
                     }));
    auto* const counts = reinterpret_cast<std::uint32_t*>(begin);
    std::vector<Tensor> tensors;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      memory_.add(begin + places[i], counts + i);
      std::atomic_ref(counts[i]).fetch_add(1);
      tensors.push_back(Tensor::of_block(memory_, begin + places[i], wanted[i].shape, wanted[i].type));
    }
    // No count may fall to nothing before all ranks have been counted.
    communicator_.barrier();
    return tensors;
  }

  [[nodiscard]] std::string note() const override { return note_; }

 private:
  static std::size_t bytes_of(const Want& want) { return size_of(want.type, want.shape.elements()); }

  /// Collective. Makes the window; false on all ranks where a node has no room for it.
  bool has_window(std::size_t bytes) {
    const Failure failure = failure_of(
        [&] { window_ = make_node_window(communicator_, communicator_.topology().local_rank == 0 ? bytes : 0); });
    std::vector<std::int64_t> failed{failure.empty() ? 0 : 1};
    communicator_.all_reduce(std::span(failed), Reduction::max);
    if (failed.front() == 0) return true;
    window_.reset();
    note_ = fmt::format(
        "/dev/shm has not {} MiB free, so each rank has the weights that are converted for itself: make it larger "
        "(mount -o remount,size=...), and a node will have them once",
        (bytes >> 20) + 1);
    return false;
  }

  /// Collective. In memory of each rank.
  std::vector<Tensor> make_own(std::span<const Want> wanted, const Fill& fill) {
    std::vector<Tensor> tensors;
    agree_on_success(communicator_, failure_of([&] {
                       for (std::size_t i = 0; i < wanted.size(); ++i) {
                         tensors.push_back(Tensor::empty(own_memory_, wanted[i].shape, wanted[i].type));
                         fill(i, {static_cast<std::byte*>(tensors[i].bytes()), bytes_of(wanted[i])});
                       }
                     }));
    return tensors;
  }

  Communicator& communicator_;
  std::unique_ptr<NodeWindow> window_;
  WindowMemory memory_;
  HostMemory own_memory_;
  std::string note_;
};

}  // namespace

std::unique_ptr<SharedWeightRoom> make_node_weights(Communicator& communicator) {
  // All ranks answer alike, though some nodes may have one.
  if (communicator.topology().nodes == communicator.size()) return nullptr;
  return std::make_unique<NodeWeights>(communicator);
}

}  // namespace temper

#include "comm/exchange/node_window.h"

#include <mpi.h>
#include <sys/mman.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <limits>

#include "base/error.h"
#include "base/page_size.h"
#include "comm/aligned_array.h"
#include "comm/node_communicator.h"

namespace temper {
namespace {

std::size_t rounded_up(std::size_t bytes) { return whole_pages(std::max<std::size_t>(bytes, 1)); }

class SoloWindow final : public NodeWindow {
 public:
  explicit SoloWindow(std::size_t bytes)
      : size_(rounded_up(bytes)), block_(map_zeroed<std::byte>(static_cast<std::int64_t>(size_))) {}
  [[nodiscard]] std::span<std::byte> part(int /*local_rank*/) const override { return {block_.get(), size_}; }

 private:
  std::size_t size_;
  AlignedArray<std::byte> block_;
};

void require_shared(int status, const char* call) {
  if (status != MPI_SUCCESS) throw Error("{} failed: the node's ranks cannot share memory", call);
}

class SharedWindow final : public NodeWindow {
 public:
  SharedWindow(Communicator& communicator, MPI_Comm node, std::size_t bytes) : communicator_(communicator) {
    local_rank_ = communicator.topology().local_rank;
    communicator.call_blocking([&] { allocate(node, bytes); }, "making a shared window");
  }
  ~SharedWindow() override {
    // Freeing is collective, and after an error of one rank the others do not come.
    if (std::uncaught_exceptions() > 0) return;
    communicator_.call_blocking(
        [this] {
          MPI_Win_unlock_all(window_);
          MPI_Win_free(&window_);
        },
        "freeing a shared window");
  }
  [[nodiscard]] std::span<std::byte> part(int local_rank) const override {
    return parts_[static_cast<std::size_t>(local_rank)];
  }

 private:
  void allocate(MPI_Comm node, std::size_t bytes) {
    // MPI puts a header before the parts, so they begin anywhere in a page; the mapping itself begins on one, in every
    // process. A page more leaves room to move each part up to the next.
    const std::size_t mine = rounded_up(bytes) + page_size();
    require_room(node, mine);
    void* base = nullptr;
    require_shared(MPI_Win_allocate_shared(static_cast<MPI_Aint>(mine), 1, MPI_INFO_NULL, node, &base, &window_),
                   "MPI_Win_allocate_shared");
    require_shared(MPI_Win_lock_all(MPI_MODE_NOCHECK, window_), "MPI_Win_lock_all");
    for (int rank = 0; rank < communicator_.topology().local_size; ++rank) {
      MPI_Aint size = 0;
      int unit = 0;
      void* start = nullptr;
      require_shared(MPI_Win_shared_query(window_, rank, &size, &unit, &start), "MPI_Win_shared_query");
      const std::uintptr_t address = reinterpret_cast<std::uintptr_t>(start);
      const std::uintptr_t aligned = whole_pages(address);
      parts_.emplace_back(reinterpret_cast<std::byte*>(aligned), static_cast<std::size_t>(size) - page_size());
    }
    // Pages that are not there read as zero. They come when they are written, into the memory nearest to who does it,
    // and what nobody writes takes no memory.
    const std::span<std::byte> own = part(local_rank_);
    if (::madvise(own.data(), own.size(), MADV_REMOVE) != 0) std::memset(own.data(), 0, own.size());
    require_shared(MPI_Barrier(node), "MPI_Barrier");
  }

  /// A window that does not fit ends later in a bus error, without a word; so ask before.
  static void require_room(MPI_Comm node, std::size_t mine) {
    // All ranks judge by the same number, read before any of them allocates.
    struct statvfs room {};
    unsigned long long free_bytes = std::numeric_limits<unsigned long long>::max();
    require_shared(MPI_Barrier(node), "MPI_Barrier");
    if (::statvfs("/dev/shm", &room) == 0) free_bytes = static_cast<unsigned long long>(room.f_bavail) * room.f_frsize;
    require_shared(MPI_Allreduce(MPI_IN_PLACE, &free_bytes, 1, MPI_UNSIGNED_LONG_LONG, MPI_MIN, node), "MPI_Allreduce");
    unsigned long long wanted = mine;
    require_shared(MPI_Allreduce(MPI_IN_PLACE, &wanted, 1, MPI_UNSIGNED_LONG_LONG, MPI_SUM, node), "MPI_Allreduce");
    if (wanted > free_bytes)
      throw Error(
          "/dev/shm has {} MiB free, but the ranks of this node need {} MiB more there, to share gradients and "
          "parameters; make it larger by as much as is missing (mount -o remount,size=...), or freeze more layers",
          free_bytes >> 20, wanted >> 20);
  }

  Communicator& communicator_;
  MPI_Win window_ = MPI_WIN_NULL;
  std::vector<std::span<std::byte>> parts_;
};

}  // namespace

std::unique_ptr<NodeWindow> make_node_window(Communicator& communicator, std::size_t bytes) {
  void* node = node_communicator_of(communicator);
  if (node == nullptr) return make_private_window(bytes);
  return std::make_unique<SharedWindow>(communicator, static_cast<MPI_Comm>(node), bytes);
}

std::unique_ptr<NodeWindow> make_private_window(std::size_t bytes) { return std::make_unique<SoloWindow>(bytes); }

}  // namespace temper

// Memory that all ranks of one node share: an MPI shared-memory window (MPI_Win_allocate_shared).
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "comm/communicator.h"

namespace temper {

class NodeWindow {
 public:
  NodeWindow() = default;
  NodeWindow(const NodeWindow&) = delete;
  NodeWindow& operator=(const NodeWindow&) = delete;
  virtual ~NodeWindow() = default;

  /// The bytes that the rank with this local rank asked for, zeroed at first, aligned to 4096. Every rank of the node
  /// may read and write all of them; who writes when is theirs to agree (std::atomic_ref works across the ranks).
  [[nodiscard]] virtual std::span<std::byte> part(int local_rank) const = 0;
  [[nodiscard]] std::span<std::byte> mine() const { return part(local_rank_); }

 protected:
  int local_rank_ = 0;
};

/// Collective over the node. Each rank may ask for another size. Works with one rank and without MPI (plain memory).
/// Throws Error where the node has not enough shared memory (/dev/shm), before anything is touched.
std::unique_ptr<NodeWindow> make_node_window(Communicator& communicator, std::size_t bytes);

/// Memory of this rank alone: part(0).
std::unique_ptr<NodeWindow> make_private_window(std::size_t bytes);

}  // namespace temper

// Storage of the frozen part's output, as bytes in the order of a FrozenLayout: in memory shared by the ranks of a
// node, or in an HDF5 file on the node's storage. Each node holds all rows once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "comm/communicator.h"
#include "runtime/frozen/frozen_layout.h"

namespace temper {

class FrozenStore {
 public:
  FrozenStore() = default;
  FrozenStore(const FrozenStore&) = delete;
  FrozenStore& operator=(const FrozenStore&) = delete;
  virtual ~FrozenStore() = default;

  /// For people: "in memory", or the file.
  [[nodiscard]] virtual std::string place() const = 0;
  /// True where an earlier run has left every block, and each is whole: there is nothing to write. The same on all
  /// ranks of a node.
  [[nodiscard]] virtual bool complete() const { return false; }
  /// The rows of block `block`, all of them. Each block of the node comes from one rank. Throws Error.
  virtual void write_block(std::int64_t block, std::span<const std::byte> rows) = 0;
  /// Collective: all blocks of all nodes have been written, and from now on may be read.
  virtual void seal() = 0;
  /// Rows from row `first` on, as many as `rows` has room for. Throws Error.
  virtual void read(std::int64_t first, std::span<std::byte> rows) const = 0;
};

/// Collective; freeing it is, too. Throws Error, on all ranks, where a node's ranks cannot share so much memory. The
/// layout must outlive the store, as for the next one.
std::unique_ptr<FrozenStore> make_memory_store(const FrozenLayout& layout, Communicator& communicator);

struct FrozenFileSettings {
  std::filesystem::path folder;
  /// Keeps the file, named after its content, and reuses a file that is already there under that name. Otherwise the
  /// file is unlinked as soon as it is open, and nothing is left behind, however the run ends.
  bool keep = false;
  std::string content_key;  ///< frozen_content_key; only for a file that is kept
};

/// Collective. Throws Error, on all ranks, where a node has no room in the folder or may not write there.
std::unique_ptr<FrozenStore> make_file_store(const FrozenLayout& layout, Communicator& communicator,
                                             const FrozenFileSettings& settings);

}  // namespace temper

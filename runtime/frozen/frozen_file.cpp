// Hidden rows in an HDF5 file of the node. HDF5 lets only one process write, so the node's first rank lays the file out
// and all ranks write their blocks to the places that it tells them.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <optional>
#include <vector>

#include "base/digest.h"
#include "base/error.h"
#include "base/positioned_file.h"
#include "comm/agreement.h"
#include "runtime/frozen/frozen_file_layout.h"
#include "runtime/frozen/frozen_store.h"

namespace temper {
namespace {

/// What the first rank of a node says to the others.
struct NodeWord {
  std::int64_t node = 0;
  std::int64_t leads = 0;
  std::int64_t there = 0;  ///< whether there is a file
  std::int64_t process = 0;
  FrozenFilePlaces places;
};

class FrozenFile final : public FrozenStore {
 public:
  FrozenFile(const FrozenLayout& layout, Communicator& communicator, const FrozenFileSettings& settings)
      : layout_(layout),
        communicator_(communicator),
        settings_(settings),
        leads_(communicator.topology().local_rank == 0) {
    if (settings_.keep) take_up();
    make();
  }

  ~FrozenFile() override {
    if (leads_ && !unnamed_ && !complete_) ::unlink(file_.c_str());
  }

  [[nodiscard]] std::string place() const override {
    return "in " + (unnamed_ ? settings_.folder.string() : final_name().string());
  }
  [[nodiscard]] bool complete() const override { return complete_; }

  void write_block(std::int64_t block, std::span<const std::byte> rows) override {
    const std::uint64_t checksum = xxh3(rows);
    write_at(open_->descriptor(), place_of(first_row(block)), rows, file_);
    write_at(open_->descriptor(), place_of_checksum(block), std::as_bytes(std::span(&checksum, 1)), file_);
  }

  void seal() override {
    communicator_.barrier();
    agree_on_success(communicator_, failure_of([&] {
                       if (!leads_ || unnamed_ || complete_) return;
                       if (::rename(file_.c_str(), final_name().c_str()) != 0)
                         throw Error("{}: cannot be renamed into place: {}", final_name().string(),
                                     std::strerror(errno));
                     }));
    complete_ = true;
  }

  void read(std::int64_t first, std::span<std::byte> rows) const override {
    read_at(open_->descriptor(), place_of(first), rows, file_);
  }

 private:
  [[nodiscard]] std::filesystem::path final_name() const {
    return settings_.folder / fmt::format("temper-frozen-{}.h5", settings_.content_key);
  }
  [[nodiscard]] std::int64_t first_row(std::int64_t block) const {
    return layout_.row_starts[static_cast<std::size_t>(layout_.block_starts[static_cast<std::size_t>(block)])];
  }
  [[nodiscard]] std::uint64_t place_of(std::int64_t row) const {
    return places_.rows + static_cast<std::uint64_t>(row * layout_.row_bytes());
  }
  [[nodiscard]] std::uint64_t place_of_checksum(std::int64_t block) const {
    return places_.checksums + static_cast<std::uint64_t>(block) * sizeof(std::uint64_t);
  }

  /// The word of this node's first rank. Collective.
  [[nodiscard]] NodeWord word_of_node(NodeWord mine) const {
    mine.node = communicator_.topology().node;
    mine.leads = leads_ ? 1 : 0;
    std::vector<NodeWord> words(static_cast<std::size_t>(communicator_.size()));
    communicator_.all_gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(words)));
    for (const NodeWord& word : words)
      if (word.node == mine.node && word.leads != 0) return word;
    throw Error("the ranks of node {} have no first one", mine.node);
  }

  /// Whether it is so on all ranks of this node. Collective.
  [[nodiscard]] bool on_whole_node(bool mine) const {
    std::vector<std::int64_t> bad(static_cast<std::size_t>(communicator_.topology().nodes), 0);
    bad[static_cast<std::size_t>(communicator_.topology().node)] = mine ? 0 : 1;
    communicator_.all_reduce(std::span(bad), Reduction::max);
    return bad[static_cast<std::size_t>(communicator_.topology().node)] == 0;
  }

  /// Opens the file that an earlier run has kept, if every block of it is whole.
  void take_up() {
    NodeWord mine;
    if (leads_) {
      const std::optional<FrozenFilePlaces> found = find_frozen_file(final_name(), layout_, settings_.content_key);
      mine.there = found ? 1 : 0;
      if (found) mine.places = *found;
    }
    const NodeWord word = word_of_node(mine);
    bool good = word.there != 0;
    if (good) {
      file_ = final_name();
      places_ = word.places;
      const Failure failure = failure_of([&] {
        open_.emplace(file_, PositionedFile::Mode::read);
        good = own_blocks_are_whole();
      });
      good = good && failure.empty();
    }
    complete_ = on_whole_node(good);
    if (!complete_) open_.reset();
  }

  /// The blocks of the node are looked at in turns.
  [[nodiscard]] bool own_blocks_are_whole() const {
    const NodeTopology& topology = communicator_.topology();
    std::vector<std::byte> rows;
    for (std::int64_t block = topology.local_rank; block < layout_.blocks(); block += topology.local_size) {
      const std::int64_t end =
          layout_.row_starts[static_cast<std::size_t>(layout_.block_starts[static_cast<std::size_t>(block) + 1])];
      rows.resize(static_cast<std::size_t>((end - first_row(block)) * layout_.row_bytes()));
      read(first_row(block), rows);
      std::uint64_t checksum = 0;
      read_at(open_->descriptor(), place_of_checksum(block), std::as_writable_bytes(std::span(&checksum, 1)), file_);
      if (xxh3(rows) != checksum) return false;
    }
    return true;
  }

  /// A new file, on nodes that have none yet.
  void make() {
    NodeWord mine;
    mine.process = ::getpid();
    const auto partial = [&](std::int64_t process) {
      return settings_.folder / fmt::format("temper-frozen-{}-{}.partial", communicator_.topology().node, process);
    };
    const auto together = [&](const std::function<void()>& action) {
      try {
        agree_on_success(communicator_, complete_ ? Failure() : failure_of(action));
      } catch (const Error&) {
        if (leads_ && !complete_) ::unlink(partial(mine.process).c_str());
        throw;
      }
    };
    together([&] {
      if (!leads_) return;
      std::filesystem::create_directories(settings_.folder);
      mine.places = create_frozen_file(partial(mine.process), layout_, settings_.content_key);
    });
    const NodeWord word = word_of_node(mine);
    together([&] {
      file_ = partial(word.process);
      places_ = word.places;
      open_.emplace(file_, PositionedFile::Mode::write);
    });
    if (settings_.keep) return;
    unnamed_ = true;
    if (leads_) ::unlink(file_.c_str());
  }

  const FrozenLayout& layout_;
  Communicator& communicator_;
  FrozenFileSettings settings_;
  bool leads_;
  bool unnamed_ = false;
  bool complete_ = false;
  std::filesystem::path file_;
  std::optional<PositionedFile> open_;
  FrozenFilePlaces places_;
};

}  // namespace

std::unique_ptr<FrozenStore> make_file_store(const FrozenLayout& layout, Communicator& communicator,
                                             const FrozenFileSettings& settings) {
  return std::make_unique<FrozenFile>(layout, communicator, settings);
}

}  // namespace temper

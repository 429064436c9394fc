#include "runtime/inputs/shared_rows.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/positioned_file.h"
#include "base/spool.h"
#include "comm/agreement.h"
#include "comm/exchange/node_window.h"
#include "data/text/token_cache.h"

namespace temper {
namespace {

using Write = std::function<void(std::uint64_t offset, std::span<const std::byte> bytes)>;

/// A word of each rank, in rank order.
template <typename T>
std::vector<T> words_of_all(Communicator& communicator, const T& mine) {
  std::vector<T> words(static_cast<std::size_t>(communicator.size()));
  communicator.all_gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(words)));
  return words;
}

/// What a rank says of its part.
struct PartSizes {
  std::int64_t rows = 0;
  std::int64_t tokens = 0;
  std::int64_t classes = 0;
  std::int64_t target_width = 0;
  std::int64_t has_types = 0;
  std::int64_t has_weights = 0;
};

TokenSpool::Place place_among_all(const TokenSpool& mine, Communicator& communicator) {
  const TokenLayout& sizes = mine.sizes();
  const std::vector<PartSizes> parts =
      words_of_all(communicator,
                   PartSizes{sizes.rows, sizes.tokens, sizes.classes, sizes.target_width,
                             static_cast<std::int64_t>(sizes.has_types), static_cast<std::int64_t>(sizes.has_weights)});
  TokenSpool::Place place;
  TokenLayout& whole = place.whole;
  for (std::size_t rank = 0; rank < parts.size(); ++rank) {
    if (std::cmp_equal(rank, communicator.rank()))
      std::tie(place.rows, place.tokens, place.classes) = std::tuple(whole.rows, whole.tokens, whole.classes);
    whole.rows += parts[rank].rows;
    whole.tokens += parts[rank].tokens;
    whole.classes += parts[rank].classes;
    whole.target_width = std::max(whole.target_width, static_cast<std::int32_t>(parts[rank].target_width));
    whole.has_types = whole.has_types || parts[rank].has_types != 0;
    whole.has_weights = whole.has_weights || parts[rank].has_weights != 0;
  }
  return place;
}

/// Collective. Brings every rank's part to where `write` puts it. A node has everybody's rows, so with several nodes
/// the parts go round, a piece of each rank at a time, and on each node its first rank writes; on one node each rank
/// writes its own. `writes`: whether this node does. Throws Error on all ranks where one cannot.
void bring_together(const TokenSpool& mine, const TokenSpool::Place& place, Communicator& communicator, bool writes,
                    const Write& write) {
  constexpr std::uint64_t kLargestPiece = std::uint64_t{4} << 20;
  const std::uint64_t bytes = mine.bytes(place);
  if (communicator.topology().nodes == 1) {
    agree_on_success(communicator, failure_of([&] {
                       for (std::uint64_t first = 0; first < bytes;) {
                         const TokenSpool::Piece piece = mine.piece(place, first, kLargestPiece);
                         write(piece.offset, piece.bytes);
                         first += piece.bytes.size();
                       }
                     }));
    return;
  }
  const std::uint64_t most =
      std::max(kLargestPiece / static_cast<std::uint64_t>(communicator.size()) / 8 * 8, std::uint64_t{1} << 16);
  Failure failure;
  std::vector<std::int64_t> left{1};
  for (std::uint64_t first = 0; left.front() != 0;) {
    std::vector<std::byte> message;
    if (first < bytes) {
      TokenSpool::Piece piece;
      // A rank that fails goes round with the others until all know.
      const Failure read = failure_of([&] { piece = mine.piece(place, first, most); });
      if (!read.empty()) failure = read;
      first = read.empty() ? first + piece.bytes.size() : bytes;
      const auto offset = std::as_bytes(std::span(&piece.offset, 1));
      message.assign(offset.begin(), offset.end());
      message.insert(message.end(), piece.bytes.begin(), piece.bytes.end());
    }
    for (const std::vector<std::byte>& piece : communicator.all_gather_variable(message)) {
      if (!writes || communicator.topology().local_rank != 0 || piece.empty() || !failure.empty()) continue;
      std::uint64_t offset = 0;
      std::memcpy(&offset, piece.data(), sizeof(offset));
      failure = failure_of([&] { write(offset, std::span(piece).subspan(sizeof(offset))); });
    }
    left.front() = first < bytes ? 1 : 0;
    communicator.all_reduce(std::span(left), Reduction::max);
  }
  agree_on_success(communicator, failure);
}

/// In a file of each node, which has no name for good yet, and perhaps never gets one.
class NodeFile {
 public:
  /// Collective. Nodes that see the file of the first node, in a folder that they share, have none of their own. Throws
  /// Error on all ranks where a node cannot make its file.
  NodeFile(const std::filesystem::path& folder, TokenLayout sizes, Communicator& communicator)
      : communicator_(communicator), leads_(communicator.topology().local_rank == 0) {
    std::uint64_t number = (std::uint64_t{std::random_device()()} << 32U) | static_cast<std::uint32_t>(::getpid());
    communicator.broadcast(std::as_writable_bytes(std::span(&number, 1)), 0);
    file_ = folder / fmt::format("temper-rows-{:016x}.partial", number);
    const bool first_node = communicator.topology().node == 0;
    layout_ = sizes;
    const auto make = [&] {
      std::error_code error;
      std::filesystem::create_directories(folder, error);
      if (error) throw Error("{}: the folder cannot be made: {}", folder.string(), error.message());
      layout_ = create_token_file(file_, sizes);
      writes_ = true;
    };
    try {
      agree_on_success(communicator, failure_of([&] {
                         if (leads_ && first_node) make();
                       }));
      agree_on_success(communicator, failure_of([&] {
                         if (leads_ && !first_node && !std::filesystem::exists(file_)) make();
                       }));
    } catch (const Error&) {
      remove();
      throw;
    }
    // The file of a node is laid out in the same way on all of them: by one program, from the same numbers.
    communicator.broadcast(std::as_writable_bytes(std::span(&layout_, 1)), 0);
    std::vector<std::int64_t> writing(static_cast<std::size_t>(communicator.topology().nodes), 0);
    auto& of_node = writing[static_cast<std::size_t>(communicator.topology().node)];
    of_node = writes_ ? 1 : 0;
    const auto node = static_cast<std::size_t>(communicator.topology().node);
    communicator.all_reduce(std::span(writing), Reduction::max);
    node_writes_ = writing[node] != 0;
  }
  ~NodeFile() { remove(); }
  NodeFile(const NodeFile&) = delete;
  NodeFile& operator=(const NodeFile&) = delete;

  /// Collective. Fills the file and maps it. Throws Error on all ranks.
  TokenStore fill(const TokenSpool& mine, TokenSpool::Place place, const std::string& key) {
    place.whole = layout_;
    std::optional<PositionedFile> open;
    agree_on_success(communicator_, failure_of([&] {
                       if (node_writes_ && (leads_ || communicator_.topology().nodes == 1))
                         open.emplace(file_, PositionedFile::Mode::write);
                     }));
    bring_together(mine, place, communicator_, node_writes_,
                   [&](std::uint64_t offset, std::span<const std::byte> some) {
                     write_at(open->descriptor(), offset, some, file_);
                   });
    open.reset();
    agree_on_success(communicator_, failure_of([&] {
                       if (writes_) complete_token_file(file_, key);
                     }));
    std::optional<TokenStore> store;
    agree_on_success(communicator_, failure_of([&] { store.emplace(MappedFile(file_), layout_); }));
    return *std::move(store);
  }

  /// Collective. Gives the file its name for good; without this it is gone at the end of this object.
  void keep(const std::filesystem::path& name) {
    agree_on_success(communicator_, failure_of([&] {
                       if (!writes_) return;
                       std::error_code error;
                       std::filesystem::rename(file_, name, error);
                       if (error) throw Error("{}: cannot be renamed into place: {}", name.string(), error.message());
                       writes_ = false;
                     }));
  }

 private:
  void remove() const {
    if (writes_) ::unlink(file_.c_str());
  }

  Communicator& communicator_;
  bool leads_;
  bool writes_ = false;       ///< this rank has made the file
  bool node_writes_ = false;  ///< a rank of this node has
  std::filesystem::path file_;
  TokenLayout layout_;
};

TokenStore in_shared_memory(const TokenSpool& mine, TokenSpool::Place place, Communicator& communicator) {
  const std::uint64_t bytes = place_in_memory(place.whole);
  std::shared_ptr<NodeWindow> window;
  agree_on_success(communicator, failure_of([&] {
                     const NodeTopology& topology = communicator.topology();
                     if (topology.local_size == 1)
                       window = make_private_window(bytes);
                     else
                       window = make_node_window(communicator, topology.local_rank == 0 ? bytes : 0);
                   }));
  const std::span<std::byte> room = window->part(0);
  bring_together(mine, place, communicator, /*writes=*/true,
                 [&](std::uint64_t offset, std::span<const std::byte> some) {
                   std::copy(some.begin(), some.end(), room.begin() + static_cast<std::ptrdiff_t>(offset));
                 });
  communicator.barrier();
  return {window, room, place.whole};
}

}  // namespace

std::optional<TokenStore> find_shared_rows(const CachedRows& cached, Communicator& communicator) {
  const std::filesystem::path file = token_file_path(cached.folder, cached.key);
  // One rank of each node compares the checksum.
  struct Found {
    std::int64_t there = 0;
    std::int64_t node = 0;
    TokenLayout layout;
  } mine;
  mine.node = communicator.topology().node;
  if (communicator.topology().local_rank == 0)
    if (const std::optional<TokenLayout> layout = find_token_file(file, cached.key)) {
      mine.there = 1;
      mine.layout = *layout;
    }
  std::optional<TokenStore> store;
  for (const Found& found : words_of_all(communicator, mine))
    if (found.there != 0 && found.node == mine.node) {
      const Failure failure = failure_of([&] { store.emplace(MappedFile(file), found.layout); });
      if (!failure.empty()) store.reset();
    }
  std::vector<std::int64_t> all{store ? 1 : 0};
  communicator.all_reduce(std::span(all), Reduction::min);
  if (all.front() == 0) store.reset();
  return store;
}

TokenStore share_rows(const TokenSpool& mine, const std::optional<CachedRows>& cached, Communicator& communicator,
                      const std::function<void(const std::string&)>& say) {
  const TokenSpool::Place place = place_among_all(mine, communicator);
  const std::int64_t rows = place.whole.rows;
  if (rows == 0) return {};
  if (place.whole.classes != 0 && place.whole.classes != rows && place.whole.classes != place.whole.tokens)
    throw Error("the ranks have tokenised {} rows with {} classes in all; all ranks must run one version", rows,
                place.whole.classes);
  if (cached) {
    try {
      NodeFile file(cached->folder, place.whole, communicator);
      TokenStore store = file.fill(mine, place, cached->key);
      file.keep(token_file_path(cached->folder, cached->key));
      return store;
    } catch (const Error& error) {
      // The cache saves time; a run does without it.
      say(fmt::format("the tokenised rows are not cached: {}", error.what()));
    }
  }
  try {
    return in_shared_memory(mine, place, communicator);
  } catch (const Error&) {
    NodeFile file(temporary_folder(), place.whole, communicator);
    return file.fill(mine, place, "temporary");
  }
}

}  // namespace temper

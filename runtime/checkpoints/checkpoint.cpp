#include "runtime/checkpoints/checkpoint.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <iterator>
#include <map>
#include <optional>

#include "base/digest.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "base/positioned_file.h"
#include "comm/agreement.h"
#include "runtime/checkpoints/checkpoint_hdf5.h"
#include "runtime/checkpoints/checkpoint_trailer.h"

namespace temper {
namespace {

/// Elements of a piece at most: small enough to share the check among ranks, and to read back at once.
constexpr std::int64_t kPieceElements = 1 << 20;

/// A part of a tensor with its checksum, as ranks tell it each other.
struct Piece {
  std::uint64_t tensor;
  std::int64_t begin;
  std::int64_t count;
  std::uint64_t xxh3;
};

std::vector<Piece> pieces_of(const CheckpointContent& content) {
  std::vector<Piece> pieces;
  for (const TensorSlice& slice : content.slices) {
    const auto size = static_cast<std::int64_t>(slice.values.size());
    for (std::int64_t done = 0; done < size; done += kPieceElements) {
      const std::int64_t count = std::min(kPieceElements, size - done);
      const auto values = slice.values.subspan(static_cast<std::size_t>(done), static_cast<std::size_t>(count));
      pieces.push_back({slice.tensor, slice.begin + done, count, xxh3(std::as_bytes(values))});
    }
  }
  return pieces;
}

std::vector<Piece> gather_pieces(const std::vector<Piece>& mine, Communicator& communicator) {
  std::vector<Piece> all;
  for (const std::vector<std::byte>& part : communicator.all_gather_variable(std::as_bytes(std::span(mine)))) {
    const std::size_t before = all.size();
    all.resize(before + part.size() / sizeof(Piece));
    if (!part.empty()) std::memcpy(all.data() + before, part.data(), part.size());
  }
  std::sort(all.begin(), all.end(),
            [](const Piece& a, const Piece& b) { return std::pair(a.tensor, a.begin) < std::pair(b.tensor, b.begin); });
  return all;
}

/// Every element of every tensor must be in exactly one piece.
void require_cover(const std::vector<CheckpointTensor>& tensors, const std::vector<Piece>& pieces) {
  auto piece = pieces.begin();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    std::int64_t end = 0;
    for (; piece != pieces.end() && piece->tensor == i; ++piece) {
      if (piece->begin != end) break;
      end += piece->count;
    }
    if (end != tensors[i].elements())
      throw Error("the checkpoint cannot be saved: the ranks' parts of '{}' do not make it up exactly once",
                  tensors[i].name);
  }
}

/// Pieces of tensors where they lie in the file, in order.
std::vector<CheckedRegion> places_of(const std::vector<Piece>& pieces, const std::vector<std::uint64_t>& offsets) {
  std::vector<CheckedRegion> places;
  for (const Piece& piece : pieces)
    places.push_back({offsets[piece.tensor] + static_cast<std::uint64_t>(piece.begin) * sizeof(float),
                      static_cast<std::uint64_t>(piece.count) * sizeof(float), piece.xxh3});
  std::sort(places.begin(), places.end(),
            [](const CheckedRegion& a, const CheckedRegion& b) { return a.offset < b.offset; });
  return places;
}

/// The tensors' pieces, and what lies between them, in order.
std::vector<CheckedRegion> regions_of(int descriptor, const std::filesystem::path& file, std::uint64_t end,
                                      const std::vector<CheckedRegion>& tensors) {
  std::vector<CheckedRegion> regions;
  std::uint64_t covered = 0;
  const auto cover_gap = [&](std::uint64_t until) {
    if (covered == until) return;
    std::vector<std::byte> content(until - covered);
    read_at(descriptor, covered, content, file);
    regions.push_back({covered, content.size(), xxh3(content)});
  };
  for (const CheckedRegion& region : tensors) {
    cover_gap(region.offset);
    regions.push_back(region);
    covered = region.offset + region.bytes;
  }
  cover_gap(end);
  return regions;
}

/// The regions that do not begin where one of `others` does; both in order.
std::vector<CheckedRegion> without(const std::vector<CheckedRegion>& regions,
                                   const std::vector<CheckedRegion>& others) {
  std::vector<CheckedRegion> left;
  std::set_difference(regions.begin(), regions.end(), others.begin(), others.end(), std::back_inserter(left),
                      [](const CheckedRegion& a, const CheckedRegion& b) { return a.offset < b.offset; });
  return left;
}

/// Asks for the room that the file will take, and throws Error if it is not there: before HDF5 begins, since HDF5 does
/// not recover from a disk that fills up under it.
void require_room(const std::filesystem::path& partial, const std::filesystem::path& file,
                  const CheckpointContent& content) {
  constexpr std::uint64_t kStructures = 1 << 20;
  constexpr std::uint64_t kTensorOverhead = 2 * 4096;
  std::uint64_t bytes =
      kStructures + content.state_json.size() + content.configuration_toml.size() + content.lineage_json.size();
  for (const CheckpointTensor& tensor : content.tensors)
    bytes += static_cast<std::uint64_t>(tensor.elements()) * sizeof(float) + kTensorOverhead;
  const int descriptor = ::open(partial.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0)
    throw Error("{}: cannot be created: {}; is output.dir writable?", file.string(), std::strerror(errno));
  const std::string refusal = take_room(descriptor, bytes);
  ::close(descriptor);
  if (!refusal.empty())
    throw Error("{}: the checkpoint needs {} MiB: {}; make room, or set output.dir to another disk", file.string(),
                (bytes >> 20) + 1, refusal);
}

/// Makes the file on rank 0: HDF5's part and the trailer. Gives the tensors' places.
std::vector<std::uint64_t> lay_out(const std::filesystem::path& partial, const std::filesystem::path& file,
                                   const CheckpointContent& content, const std::vector<Piece>& pieces) {
  require_room(partial, file, content);
  const std::vector<std::uint64_t> offsets = create_hdf5_file(partial, content);
  PositionedFile out(partial, PositionedFile::Mode::write);
  struct stat status {};
  if (::fstat(out.descriptor(), &status) != 0) throw Error("{}: its size cannot be read", partial.string());
  const auto end = static_cast<std::uint64_t>(status.st_size);
  const std::vector<std::byte> trailer =
      make_trailer(regions_of(out.descriptor(), partial, end, places_of(pieces, offsets)));
  write_at(out.descriptor(), end, trailer, file);
  return offsets;
}

void write_slices(const PositionedFile& out, const std::filesystem::path& file, const CheckpointContent& content,
                  const std::vector<std::uint64_t>& offsets) {
  for (const TensorSlice& slice : content.slices) {
    const std::uint64_t offset = offsets[slice.tensor] + static_cast<std::uint64_t>(slice.begin) * sizeof(float);
    const auto bytes = std::as_bytes(slice.values);
    write_at(out.descriptor(), offset, bytes, file);
    out.begin_writing_back(offset, bytes.size());
  }
}

}  // namespace

std::int64_t CheckpointTensor::elements() const {
  std::int64_t product = 1;
  for (const std::int64_t extent : shape) product *= extent;
  return product;
}

void save_checkpoint(const std::filesystem::path& file, const CheckpointContent& content, Communicator& communicator) {
  const bool leads = communicator.rank() == 0;
  std::filesystem::path partial = file;
  partial += ".partial";
  const std::vector<Piece> own_pieces = pieces_of(content);
  const std::vector<Piece> pieces = gather_pieces(own_pieces, communicator);
  std::vector<std::uint64_t> offsets(content.tensors.size());
  const auto together = [&](const std::function<void()>& action) {
    const Failure failure = failure_of(action);
    try {
      agree_on_success(communicator, failure);
    } catch (const Error&) {
      if (leads) ::unlink(partial.c_str());
      throw;
    }
  };
  together([&] {
    if (!leads) return;
    require_cover(content.tensors, pieces);
    offsets = lay_out(partial, file, content, pieces);
  });
  communicator.broadcast(std::as_writable_bytes(std::span(offsets)), 0);
  std::optional<PositionedFile> out;
  together([&] {
    out.emplace(partial, PositionedFile::Mode::write);
    write_slices(*out, file, content, offsets);
  });
  // Read back under the temporary name, while the disk is at work: what is renamed is known to be good. Every rank
  // reads what it wrote itself, for on a network's file system it need not see yet what others wrote.
  together([&] {
    check_regions(out->descriptor(), partial, places_of(own_pieces, offsets));
    if (leads)
      check_regions(out->descriptor(), partial,
                    without(read_trailer(out->descriptor(), partial), places_of(pieces, offsets)));
    out->close_durably();
  });
  together([&] {
    if (!leads) return;
    if (::rename(partial.c_str(), file.c_str()) != 0)
      throw Error("{}: cannot be renamed into place: {}", file.string(), std::strerror(errno));
    sync_folder(file.has_parent_path() ? file.parent_path() : std::filesystem::path("."));
  });
}

struct Checkpoint::Parts {
  std::filesystem::path file;
  PositionedFile in;
  Hdf5Layout layout;
  std::map<std::string, std::size_t> index;
};

Checkpoint::Checkpoint(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Checkpoint::~Checkpoint() = default;
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;

Checkpoint Checkpoint::open(const std::filesystem::path& file, Communicator& communicator) {
  std::unique_ptr<Parts> parts;
  agree_on_success(communicator, failure_of([&] {
                     PositionedFile in(file, PositionedFile::Mode::read);
                     check_regions(in.descriptor(), file, read_trailer(in.descriptor(), file),
                                   static_cast<std::size_t>(communicator.rank()),
                                   static_cast<std::size_t>(communicator.size()));
                     parts = std::make_unique<Parts>(Parts{file, std::move(in), {}, {}});
                   }));
  agree_on_success(communicator, failure_of([&] {
                     parts->layout = read_hdf5_layout(file);
                     for (std::size_t i = 0; i < parts->layout.tensors.size(); ++i)
                       parts->index[parts->layout.tensors[i].name] = i;
                   }));
  return Checkpoint(std::move(parts));
}

const std::string& Checkpoint::state_json() const { return parts_->layout.state_json; }
const std::string& Checkpoint::configuration_toml() const { return parts_->layout.configuration_toml; }
const std::string& Checkpoint::lineage_json() const { return parts_->layout.lineage_json; }
std::int64_t Checkpoint::step() const { return parts_->layout.step; }
const std::vector<CheckpointTensor>& Checkpoint::tensors() const { return parts_->layout.tensors; }

void Checkpoint::read(const std::string& tensor, std::int64_t begin, std::span<float> values) const {
  const auto found = parts_->index.find(tensor);
  if (found == parts_->index.end()) throw Error("{}: holds no tensor '{}'", parts_->file.string(), tensor);
  const std::int64_t elements = parts_->layout.tensors[found->second].elements();
  if (begin < 0 || begin + static_cast<std::int64_t>(values.size()) > elements)
    throw Error("{}: '{}' has {} elements; {} from {} on were asked for", parts_->file.string(), tensor, elements,
                values.size(), begin);
  read_at(parts_->in.descriptor(),
          parts_->layout.offsets[found->second] + static_cast<std::uint64_t>(begin) * sizeof(float),
          std::as_writable_bytes(values), parts_->file);
}

}  // namespace temper

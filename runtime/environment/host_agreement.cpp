#include "runtime/environment/host_agreement.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <tuple>

#include "base/build_id.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/process_identity.h"
#include "model/huggingface/model_files.h"
#include "runtime/environment/input_places.h"
#include "runtime/environment/reader_wait.h"
#include "version.h"

namespace temper {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(HostReport::File, path, reason, bytes, device, inode, changed)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(HostReport, host, node, version, build, configuration, arithmetic, files)

namespace {

/// Of a large file: holds the whole header of most weights.
constexpr std::int64_t kHeaderBytes = std::int64_t{1} << 18;

HostReport::File look_at(const std::filesystem::path& path) {
  HostReport::File file;
  file.path = path.string();
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    file.reason = errno;
    return file;
  }
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) {
    file.reason = errno;
  } else if (!S_ISREG(status.st_mode)) {
    // Whoever needs it refuses it; a pipe, which has no content to compare, would be waited for without end.
    file.reason = S_ISDIR(status.st_mode) ? EISDIR : EOPNOTSUPP;
  } else {
    file.bytes = status.st_size;
    file.device = status.st_dev;
    file.inode = status.st_ino;
    file.changed = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
  }
  ::close(descriptor);
  return file;
}

/// As others can be told of it.
std::string named(const std::vector<HostReport>& reports, std::size_t rank) {
  return fmt::format("{} (rank {})", reports[rank].host, rank);
}

constexpr const char* kDifferenceRemedy =
    "all hosts must read the same: copy the file anew, or use a folder that they share";

/// The first two ranks whose files of this number differ in presence or size, as a sentence.
std::string file_difference(const std::vector<HostReport>& reports, std::size_t file) {
  const HostReport::File& first = reports.front().files[file];
  for (std::size_t rank = 1; rank < reports.size(); ++rank) {
    const HostReport::File& other = reports[rank].files[file];
    if ((first.reason == 0) != (other.reason == 0)) {
      const bool absent_here = other.reason != 0;
      return fmt::format("{}: {} has it, but {} cannot open it: {}; {}", first.path,
                         named(reports, absent_here ? 0 : rank), named(reports, absent_here ? rank : 0),
                         std::strerror(absent_here ? other.reason : first.reason), kDifferenceRemedy);
    }
    if (first.bytes != other.bytes)
      return fmt::format("{}: has {} bytes on {} and {} bytes on {}; {}", first.path, first.bytes, named(reports, 0),
                         other.bytes, named(reports, rank), kDifferenceRemedy);
  }
  return "";
}

/// The ranks that are the first of their node to see just this file.
std::vector<std::size_t> readers_of(const std::vector<HostReport>& reports, std::size_t file) {
  std::set<std::tuple<int, std::uint64_t, std::uint64_t, std::int64_t, std::int64_t>> seen;
  std::vector<std::size_t> readers;
  for (std::size_t rank = 0; rank < reports.size(); ++rank) {
    const HostReport::File& it = reports[rank].files[file];
    if (it.reason == 0 && seen.emplace(reports[rank].node, it.device, it.inode, it.bytes, it.changed).second)
      readers.push_back(rank);
  }
  return readers;
}

/// Digest of a part, or the errno of what failed.
template <typename Content>
Content read_content(const std::string& path, std::size_t file, std::int64_t begin, std::int64_t most,
                     const std::stop_token& stop) {
  Content content;
  content.file = file;
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    content.failed = errno;
    return content;
  }
  ::posix_fadvise(descriptor, begin, 0, POSIX_FADV_SEQUENTIAL);
  Xxh3 digest;
  std::vector<std::byte> piece(std::size_t{1} << 18);  // stays in the processor's cache
  while (most > 0 && !stop.stop_requested()) {
    const auto wanted = static_cast<std::size_t>(std::min<std::int64_t>(most, static_cast<std::int64_t>(piece.size())));
    const ssize_t count = ::pread(descriptor, piece.data(), wanted, begin);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) content.failed = errno;
    if (count <= 0) break;
    digest.add(std::span(piece).first(static_cast<std::size_t>(count)));
    begin += count;
    most -= count;
  }
  ::close(descriptor);
  content.digest = digest.value();
  return content;
}

std::vector<HostReport> gather(Communicator& communicator, const HostReport& mine) {
  // CBOR, since paths need not be UTF-8.
  const std::vector<std::uint8_t> bytes = nlohmann::json::to_cbor(nlohmann::json(mine));
  std::vector<HostReport> reports;
  for (const std::vector<std::byte>& part : communicator.all_gather_variable(std::as_bytes(std::span(bytes)))) {
    const auto* begin = reinterpret_cast<const std::uint8_t*>(part.data());
    try {
      reports.push_back(nlohmann::json::from_cbor(begin, begin + part.size()).get<HostReport>());
    } catch (const nlohmann::json::exception&) {
      throw Error("rank {} runs another version of the program; install the same one on all hosts", reports.size());
    }
  }
  return reports;
}

/// "h1, h2 and 3 more"
std::string listed(const std::set<std::string>& hosts) {
  constexpr std::size_t kShown = 4;
  std::string text;
  std::size_t shown = 0;
  for (const std::string& host : hosts) {
    if (shown++ == kShown) return fmt::format("{} and {} more", text, hosts.size() - kShown);
    text += (text.empty() ? "" : ", ") + host;
  }
  return text;
}

/// The hosts whose reports differ from that of rank 0 in this.
std::set<std::string> hosts_that_differ(const std::vector<HostReport>& reports, std::string HostReport::*in) {
  std::set<std::string> hosts;
  for (const HostReport& report : reports)
    if (report.*in != reports.front().*in) hosts.insert(report.host);
  return hosts;
}

}  // namespace

std::vector<InputFile> input_files(const std::filesystem::path& model_folder,
                                   const std::vector<std::filesystem::path>& data_files) {
  std::vector<InputFile> files;
  for (const std::filesystem::path& path : data_files)
    if (!path.empty() && path != "-") files.push_back({path});
  const ModelFiles model = model_files(model_folder);
  for (const std::filesystem::path& path : model.texts) files.push_back({path});
  for (const std::filesystem::path& path : model.weights) files.push_back({path, /*large=*/true});
  return files;
}

std::vector<InputFile> input_files(const Configuration& configuration) {
  std::vector<std::filesystem::path> data;
  for (const DataInput& input : data_inputs(configuration)) data.push_back(input.path);
  if (const std::filesystem::path adapter = configuration.model.adapter; !adapter.empty())
    for (const std::filesystem::path& file : files_of_adapter(adapter)) data.push_back(file);
  return input_files(configuration.model.path, data);
}

Failure difference_of(const std::vector<HostReport>& reports) {
  const HostReport& first = reports.front();
  for (std::size_t rank = 1; rank < reports.size(); ++rank)
    if (reports[rank].version != first.version)
      return {fmt::format("{} runs temper {}, but {} runs {}; install the same version on all hosts", named(reports, 0),
                          first.version, named(reports, rank), reports[rank].version)};
  for (std::size_t rank = 1; rank < reports.size(); ++rank)
    if (reports[rank].configuration != first.configuration)
      return {fmt::format("the configurations of rank 0 and rank {} differ ({}, {}); give every rank the same file and "
                          "--set options",
                          rank, first.host, reports[rank].host),
              ErrorKind::usage};
  // Which shards there are, the index says; where that differs, the lists do.
  const auto shared_with_first = [&](const HostReport& report) {
    std::size_t file = 0;
    const std::size_t most = std::min(first.files.size(), report.files.size());
    while (file < most && report.files[file].path == first.files[file].path) ++file;
    return file;
  };
  std::size_t same = first.files.size();
  for (const HostReport& report : reports) same = std::min(same, shared_with_first(report));
  for (std::size_t file = 0; file < same; ++file)
    if (std::string sentence = file_difference(reports, file); !sentence.empty()) return {sentence};
  for (std::size_t rank = 1; rank < reports.size(); ++rank) {
    const auto& files = reports[rank].files;
    const std::size_t shared = shared_with_first(reports[rank]);
    if (files.size() == shared && first.files.size() == shared) continue;
    const auto next = [&](const std::vector<HostReport::File>& of) {
      return shared < of.size() ? of[shared].path : std::string("no further file");
    };
    return {fmt::format("{} reads {}, but {} reads {}; {}", named(reports, 0), next(first.files), named(reports, rank),
                        next(files), kDifferenceRemedy)};
  }
  return {};
}

std::string note_on(const std::vector<HostReport>& reports) {
  const std::string& first = reports.front().host;
  if (const std::set<std::string> others = hosts_that_differ(reports, &HostReport::build); !others.empty())
    return fmt::format(
        "{} and {} run other builds of temper {}; install the same build on all hosts, or their results "
        "may differ",
        first, listed(others), reports.front().version);
  if (const std::set<std::string> others = hosts_that_differ(reports, &HostReport::arithmetic); !others.empty())
    return fmt::format(
        "{} and {} compute with other processors or libraries: the run is right, but its last bits depend "
        "on which rank runs where",
        first, listed(others));
  return "";
}

HostAgreement::HostAgreement(Communicator& communicator, const std::vector<InputFile>& files,
                             const std::string& arithmetic, const std::string& configuration)
    : communicator_(communicator) {
  if (communicator.size() == 1) return;
  HostReport mine{
      host_name(), communicator.topology().node, kVersion, build_id(), sha256_hex(configuration), arithmetic, {}};
  for (const InputFile& file : files) mine.files.push_back(look_at(file.path));
  reports_ = gather(communicator, mine);
  if (const Failure difference = difference_of(reports_); !difference.empty())
    throw Error(difference.kind, difference.sentence);
  note_ = note_on(reports_);

  std::vector<Content> contents;
  bool compared = false;
  for (std::size_t file = 0; file < files.size(); ++file) {
    const std::vector<std::size_t> readers = readers_of(reports_, file);
    if (readers.size() < 2) continue;
    compared = true;
    pending_ = pending_ || files[file].large;
    if (std::find(readers.begin(), readers.end(), static_cast<std::size_t>(communicator.rank())) == readers.end())
      continue;
    const std::int64_t most = files[file].large ? kHeaderBytes : std::numeric_limits<std::int64_t>::max();
    contents.push_back(read_content<Content>(mine.files[file].path, file, 0, most, {}));
    if (files[file].large) large_.push_back(file);
  }
  if (!compared) return;
  compare(contents);
  if (large_.empty()) return;
  std::packaged_task<std::vector<Content>(std::stop_token)> task([this](const std::stop_token& stop) {
    const std::vector<HostReport::File>& own = reports_[static_cast<std::size_t>(communicator_.rank())].files;
    std::vector<Content> rest;
    for (const std::size_t file : large_)
      rest.push_back(
          read_content<Content>(own[file].path, file, kHeaderBytes, std::numeric_limits<std::int64_t>::max(), stop));
    return rest;
  });
  rest_ = task.get_future();
  thread_ = std::jthread(std::move(task));
}

void HostAgreement::finish() {
  if (!pending_) return;
  pending_ = false;
  const bool reads = rest_.valid();
  wait_for_readers(
      communicator_, reads ? &thread_ : nullptr, [&] { return !reads || is_ready(rest_); },
      "reading the base model to compare it with the other hosts'");
  compare(reads ? rest_.get() : std::vector<Content>());
}

void HostAgreement::compare(const std::vector<Content>& mine) const {
  std::vector<std::optional<std::pair<std::size_t, Content>>> first(reports_.front().files.size());
  std::size_t rank = 0;
  for (const std::vector<std::byte>& bytes :
       communicator_.all_gather_variable(std::as_bytes(std::span<const Content>(mine)))) {
    std::vector<Content> contents(bytes.size() / sizeof(Content));
    if (!contents.empty()) std::memcpy(contents.data(), bytes.data(), bytes.size());
    for (const Content& content : contents) {
      const std::string& path = reports_.front().files[content.file].path;
      if (content.failed != 0)
        throw Error("{}: {} cannot read it: {}", path, named(reports_, rank),
                    std::strerror(static_cast<int>(content.failed)));
      auto& before = first[content.file];
      if (!before) {
        before.emplace(rank, content);
      } else if (before->second.digest != content.digest) {
        throw Error("{}: differs between {} and {}, though both have {} bytes (XXH3 {:016x} and {:016x}); {}", path,
                    named(reports_, before->first), named(reports_, rank), reports_.front().files[content.file].bytes,
                    before->second.digest, content.digest, kDifferenceRemedy);
      }
    }
    ++rank;
  }
}

}  // namespace temper

// Hosts agree before the first step: they run one version of the program, and what each of them reads from a file is
// the same. Otherwise a stale copy on one host would be trained on silently, with a false lineage.
//
// One rank of a host reads a file for all ranks there that see the same file (device, inode, size and time of change).
// Where all ranks see one and the same, as on a single host, nothing is read at all. Size and digest (XXH3) of small
// files and the headers of weights are compared at once; weights are read in the background meanwhile.
#pragma once

#include <cstdint>
#include <filesystem>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "comm/agreement.h"
#include "comm/communicator.h"
#include "runtime/config/config.h"

namespace temper {

struct InputFile {
  std::filesystem::path path;
  bool large = false;  ///< its begin is compared at once, the rest later
};

/// The files of a model folder that are read, and these data files (empty paths and "-" are left out).
std::vector<InputFile> input_files(const std::filesystem::path& model_folder,
                                   const std::vector<std::filesystem::path>& data_files);

/// Those of a run.
std::vector<InputFile> input_files(const Configuration& configuration);

/// What one rank says of itself, so that all can be compared.
struct HostReport {
  struct File {
    std::string path;
    int reason = 0;  ///< errno where it cannot be opened, or is no file
    std::int64_t bytes = 0;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t changed = 0;  ///< in ns
  };
  std::string host;
  int node = 0;
  std::string version;
  std::string build;          ///< build_id()
  std::string configuration;  ///< its digest
  std::string arithmetic;     ///< Device::arithmetic()
  std::vector<File> files;
};

/// By rank: what differs so that they must not work together; empty if nothing does.
Failure difference_of(const std::vector<HostReport>& reports);
/// What differs so that it is better told: builds of the program, processors, libraries; empty if nothing does.
std::string note_on(const std::vector<HostReport>& reports);

class HostAgreement {
 public:
  /// Collective. Throws the same Error on all ranks, naming hosts and file, for what differs so far. `arithmetic`: what
  /// the last bits depend on here (Device::arithmetic()). `configuration`: as text, the same on all ranks, or a usage
  /// Error is thrown.
  HostAgreement(Communicator& communicator, const std::vector<InputFile>& files, const std::string& arithmetic,
                const std::string& configuration = "");

  /// Collective. Waits for the rest, however long that takes to read, and throws as the constructor does.
  void finish();
  /// note_on() the ranks; empty where there is nothing to say.
  [[nodiscard]] const std::string& note() const { return note_; }

 private:
  /// What this rank found in a file that it reads for its host.
  struct Content {
    std::uint64_t file = 0;
    std::int64_t failed = 0;  ///< errno of reading; then there is no digest
    std::uint64_t digest = 0;
  };
  /// Collective: throws Error if the digests of a file differ.
  void compare(const std::vector<Content>& mine) const;

  Communicator& communicator_;
  std::vector<HostReport> reports_;
  std::vector<std::size_t> large_;  ///< files whose rest this rank reads
  bool pending_ = false;            ///< on some rank
  std::string note_;
  std::future<std::vector<Content>> rest_;
  std::jthread thread_;  // last, so that it ends before what it uses
};

}  // namespace temper

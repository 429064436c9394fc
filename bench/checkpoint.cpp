// How fast a checkpoint of all-MiniLM-L6-v2's size is saved and durable, beside what the disk gives to one program that
// writes as many bytes and syncs them (as dd conv=fdatasync does). The two take turns; medians are printed.
//
//     mpirun -n 2 build/bench/bench/checkpoint_bench FOLDER
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "comm/mpi_session.h"
#include "runtime/checkpoints/checkpoint.h"

namespace temper {
namespace {

constexpr int kRepeats = 9;
constexpr std::int64_t kTensors = 100;
constexpr std::int64_t kElements = 227'328;  // of each; with its two moments: 273 MB in all

/// The parameters and moments of a model, each rank holding its share of every tensor.
CheckpointContent content_of(const std::vector<float>& values, const Communicator& communicator) {
  CheckpointContent content;
  content.state_json = content.lineage_json = "{}";
  const std::int64_t begin = kElements * communicator.rank() / communicator.size();
  const std::int64_t end = kElements * (communicator.rank() + 1) / communicator.size();
  for (const char* kind : {"parameters", "state/first_moment", "state/second_moment"})
    for (std::int64_t i = 0; i < kTensors; ++i) {
      content.slices.push_back(
          {content.tensors.size(), begin,
           std::span(values).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin))});
      content.tensors.push_back({fmt::format("{}/{}", kind, i), {kElements}});
    }
  return content;
}

void write_plainly(const std::filesystem::path& file, std::int64_t bytes) {
  const std::vector<char> block(1 << 20, 'x');
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) throw Error("{}: cannot be created", file.string());
  for (std::int64_t left = bytes; left > 0;) {
    const auto part = static_cast<std::size_t>(std::min<std::int64_t>(left, static_cast<std::int64_t>(block.size())));
    if (::write(descriptor, block.data(), part) != static_cast<ssize_t>(part))
      throw Error("{}: cannot be written", file.string());
    left -= static_cast<std::int64_t>(part);
  }
  if (::fdatasync(descriptor) != 0 || ::close(descriptor) != 0) throw Error("{}: cannot be synced", file.string());
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + kRepeats / 2, values.end());
  return values[kRepeats / 2];
}

void measure(const std::filesystem::path& folder, Communicator& communicator) {
  const bool leads = communicator.rank() == 0;
  std::vector<float> values(static_cast<std::size_t>(kElements));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  const CheckpointContent content = content_of(values, communicator);
  const std::int64_t bytes = 3 * kTensors * kElements * static_cast<std::int64_t>(sizeof(float));
  const std::filesystem::path plain = folder / "plain.bin";
  const std::filesystem::path saved = folder / "checkpoint.h5";
  std::vector<double> plainly;
  std::vector<double> as_checkpoint;
  std::vector<double> shares;
  for (int i = 0; i < kRepeats; ++i) {
    communicator.barrier();
    auto start = Clock::now();
    if (leads) write_plainly(plain, bytes);
    communicator.barrier();
    plainly.push_back(seconds_since(start));
    if (leads) std::filesystem::remove(plain);
    communicator.barrier();
    start = Clock::now();
    save_checkpoint(saved, content, communicator);
    as_checkpoint.push_back(seconds_since(start));
    if (leads) std::filesystem::remove(saved);
    shares.push_back(plainly.back() / as_checkpoint.back());
  }
  if (!leads) return;
  const double megabytes = static_cast<double>(bytes) * 1e-6;
  fmt::print("{:.0f} MB, {} ranks: plain write and sync {:.0f} MB/s, checkpoint {:.0f} MB/s, share {:.2f}\n", megabytes,
             communicator.size(), megabytes / median(plainly), megabytes / median(as_checkpoint), median(shares));
}

}  // namespace
}  // namespace temper

int main(int argc, char** argv) {
  temper::MpiSession session(&argc, &argv);
  try {
    if (argc != 2) throw temper::Error("usage: checkpoint_bench FOLDER");
    temper::measure(argv[1], *session.world());
  } catch (const std::exception& error) {
    fmt::print(stderr, "checkpoint_bench: {}\n", error.what());
    temper::MpiSession::abort(1);
  }
  return 0;
}

// NCCL, made non-blocking: every call may still be in progress when it returns, and is polled until it is not, with the
// time limit of the MPI communicator that it was bootstrapped over.
#include "comm/nccl_communicator.h"

#include <nccl.h>

#include <cstddef>
#include <exception>
#include <functional>
#include <span>

#include "base/error.h"

namespace temper {
namespace {

class Nccl final : public NcclCommunicator {
 public:
  Nccl(Communicator& communicator, CudaDevice& device) : communicator_(communicator), device_(device) {
    ncclUniqueId id{};
    together([&] {
      // All of them load the library, and see whether it is there.
      int version = 0;
      require(ncclGetVersion(&version), "ncclGetVersion");
      if (communicator.rank() == 0) require(ncclGetUniqueId(&id), "ncclGetUniqueId");
    });
    communicator.broadcast(std::as_writable_bytes(std::span(&id, 1)), 0);
    together([&] {
      ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
      config.blocking = 0;
      settle(ncclCommInitRankConfig(&comm_, communicator.size(), id, communicator.rank(), &config),
             "ncclCommInitRankConfig");
    });
    device.set_wait([this](const std::function<bool()>& done, const char* what) { wait_until(done, what); });
  }

  ~Nccl() override {
    device_.set_wait([&communicator = communicator_](const std::function<bool()>& done, const char* what) {
      communicator.wait_until(done, what);
    });
    if (comm_ == nullptr) return;
    // After an error the others may never come to an orderly end.
    if (std::uncaught_exceptions() > 0) {
      abort();
      return;
    }
    try {
      settle(ncclCommFinalize(comm_), "ncclCommFinalize");
      ncclCommDestroy(comm_);
    } catch (...) {
      abort();
    }
  }

  [[nodiscard]] int rank() const override { return communicator_.rank(); }
  [[nodiscard]] int size() const override { return communicator_.size(); }
  [[nodiscard]] CudaDevice& device() const override { return device_; }

  void all_reduce(float* values, std::int64_t n) override {
    call(ncclAllReduce(values, values, count(n), ncclFloat32, ncclSum, comm_, stream()), "ncclAllReduce");
  }
  void reduce(const float* mine, float* sum, std::int64_t n, int root) override {
    call(ncclReduce(mine, sum, count(n), ncclFloat32, ncclSum, root, comm_, stream()), "ncclReduce");
  }
  void reduce_scatter(const float* all, float* mine, std::int64_t each) override {
    call(ncclReduceScatter(all, mine, count(each), ncclFloat32, ncclSum, comm_, stream()), "ncclReduceScatter");
  }
  void all_gather(const float* mine, float* all, std::int64_t each) override {
    call(ncclAllGather(mine, all, count(each), ncclFloat32, comm_, stream()), "ncclAllGather");
  }
  void broadcast(float* values, std::int64_t n, int root) override {
    call(ncclBroadcast(values, values, count(n), ncclFloat32, root, comm_, stream()), "ncclBroadcast");
  }
  void send(const float* values, std::int64_t n, int to) override {
    call(ncclSend(values, count(n), ncclFloat32, to, comm_, stream()), "ncclSend");
  }
  void receive(float* values, std::int64_t n, int from) override {
    call(ncclRecv(values, count(n), ncclFloat32, from, comm_, stream()), "ncclRecv");
  }
  void begin_group() override {
    if (group_depth_++ == 0) require(ncclGroupStart(), "ncclGroupStart");
  }
  void end_group() override {
    if (--group_depth_ == 0) settle(ncclGroupEnd(), "ncclGroupEnd");
  }

  void check() override {
    if (comm_ == nullptr) throw Error("NCCL has been given up after an error on rank {}", communicator_.rank());
    ncclResult_t state = ncclSuccess;
    const ncclResult_t asked = ncclCommGetAsyncError(comm_, &state);
    if (asked == ncclSuccess && (state == ncclSuccess || state == ncclInProgress)) return;
    fail("an operation of NCCL", asked != ncclSuccess ? asked : state);
  }

  void wait(const char* what) override {
    wait_until([this] { return device_.communication_is_done(); }, what);
  }

 private:
  /// Does what may fail on each rank alone: either it succeeds on all ranks, or all throw.
  template <typename Body>
  void together(const Body& body) {
    std::string failure;
    try {
      body();
    } catch (const Error& error) {
      failure = error.what();
    }
    std::int64_t good = failure.empty() ? 1 : 0;
    communicator_.all_reduce(std::span(&good, 1), Reduction::min);
    if (good != 0) return;
    abort();
    throw NcclUnavailable("NCCL could not be started: {}", failure.empty() ? "it failed on another rank" : failure);
  }
  /// Whatever the host waits for may hang on a rank that is lost.
  void wait_until(const std::function<bool()>& done, const char* what) {
    try {
      communicator_.wait_until(
          [&] {
            check();
            return done();
          },
          what);
    } catch (...) {
      abort();
      throw;
    }
  }

  static std::size_t count(std::int64_t n) { return static_cast<std::size_t>(n); }
  [[nodiscard]] cudaStream_t stream() const { return device_.communication_stream(); }

  /// Inside a group the calls are only noted; the group's end starts them.
  void call(ncclResult_t result, const char* what) {
    if (group_depth_ > 0) {
      require(result, what);
    } else {
      settle(result, what);
    }
  }
  void require(ncclResult_t result, const char* what) {
    if (result != ncclSuccess && result != ncclInProgress) fail(what, result);
  }
  /// Polls until what was begun has been started (on the stream; not until it is done).
  void settle(ncclResult_t result, const char* what) {
    require(result, what);
    if (result == ncclSuccess) return;
    communicator_.wait_until(
        [&] {
          ncclResult_t state = ncclSuccess;
          require(ncclCommGetAsyncError(comm_, &state), what);
          require(state, what);
          return state == ncclSuccess;
        },
        what);
  }

  [[noreturn]] void fail(const char* what, ncclResult_t result) {
    const char* details = comm_ == nullptr ? nullptr : ncclGetLastError(comm_);
    const std::string text = details == nullptr ? "" : details;
    abort();
    throw Error("{} failed on rank {}: {}{}{}; run with NCCL_DEBUG=INFO for more", what, communicator_.rank(),
                ncclGetErrorString(result), text.empty() ? "" : ": ", text);
  }
  void abort() noexcept {
    if (comm_ != nullptr) ncclCommAbort(comm_);
    comm_ = nullptr;
  }

  Communicator& communicator_;
  CudaDevice& device_;
  ncclComm_t comm_ = nullptr;
  int group_depth_ = 0;
};

}  // namespace

bool nccl_is_built() { return true; }

std::string nccl_version() {
  int version = 0;
  try {
    if (ncclGetVersion(&version) != ncclSuccess) return "";
  } catch (const Error&) {
    return "";
  }
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

std::unique_ptr<NcclCommunicator> make_nccl_communicator(Communicator& communicator, CudaDevice& device) {
  return std::make_unique<Nccl>(communicator, device);
}

}  // namespace temper

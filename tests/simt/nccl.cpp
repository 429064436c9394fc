// NCCL over MPI: communicators, groups, and the way onto a stream.
//
// Note: a communicator that was made non-blocking answers ncclInProgress to every call that starts something, and the
// next call is refused until ncclCommGetAsyncError has said ncclSuccess. The real library may do the same at any time,
// and mostly does not.
#include <mpi.h>
#include <nccl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/simt/collective.h"
#include "tests/simt/device_memory.h"
#include "tests/simt/report.h"
#include "tests/simt/simulated_gpu.h"

namespace simt {
namespace {

/// What a rank tells the others when a communicator is made.
struct Hello {
  std::uint64_t host;
  std::int32_t device;
};

struct Greeting {
  Hello theirs{};
  MPI_Request sent = MPI_REQUEST_NULL;
  MPI_Request taken = MPI_REQUEST_NULL;
};

bool broken = false;

std::uint64_t host_number() {
  char name[256] = {};
  gethostname(name, sizeof(name) - 1);
  return std::hash<std::string>()(name);
}

bool mpi_runs() {
  int begun = 0;
  int ended = 0;
  PMPI_Initialized(&begun);
  PMPI_Finalized(&ended);
  return begun != 0 && ended == 0;
}

std::vector<std::weak_ptr<Ranks>>& all_ranks() {
  static std::vector<std::weak_ptr<Ranks>> all;
  return all;
}

bool anything_under_way() {
  for (const std::weak_ptr<Ranks>& weak : all_ranks())
    if (const std::shared_ptr<Ranks> ranks = weak.lock(); ranks != nullptr && ranks->under_way > 0) return true;
  return false;
}

}  // namespace

void set_communication_broken(bool is_broken) { broken = is_broken; }

}  // namespace simt

// NOLINTNEXTLINE: the name is NCCL's
struct ncclComm {
  std::shared_ptr<simt::Ranks> ranks = std::make_shared<simt::Ranks>();
  bool blocking = true;
  int device = 0;
  ncclResult_t state = ncclInProgress;
  bool settling = false;  ///< a call has been answered with ncclInProgress, and nobody has asked since
  bool finalizing = false;
  std::string last_error;
  simt::Hello hello{};
  std::vector<simt::Greeting> greetings;

  ncclResult_t refuse(ncclResult_t result, const char* why) {
    last_error = why;
    return result;
  }
  /// What the call answers that started something.
  ncclResult_t answer() {
    if (blocking) return ncclSuccess;
    settling = true;
    return ncclInProgress;
  }
  void greet() {
    const int tag = message_tag(*ranks, simt::MessageKind::hello, 0);
    greetings.resize(static_cast<std::size_t>(ranks->size));
    for (int other = 0; other < ranks->size; ++other) {
      if (other == ranks->rank) continue;
      simt::Greeting& greeting = greetings[static_cast<std::size_t>(other)];
      PMPI_Isend(&hello, sizeof(hello), MPI_BYTE, other, tag, MPI_COMM_WORLD, &greeting.sent);
      PMPI_Irecv(&greeting.theirs, sizeof(simt::Hello), MPI_BYTE, other, tag, MPI_COMM_WORLD, &greeting.taken);
    }
  }
  void progress() {
    if (state != ncclInProgress) return;
    for (simt::Greeting& greeting : greetings)
      for (MPI_Request* const request : {&greeting.sent, &greeting.taken}) {
        if (*request == MPI_REQUEST_NULL) continue;
        int done = 0;
        PMPI_Test(request, &done, MPI_STATUS_IGNORE);
        if (done == 0) return;
      }
    state = ncclSuccess;
    for (int other = 0; other < ranks->size; ++other) {
      const simt::Hello& theirs = greetings[static_cast<std::size_t>(other)].theirs;
      if (other == ranks->rank || theirs.host != hello.host || theirs.device != hello.device) continue;
      last_error = "Duplicate GPU detected : rank " + std::to_string(ranks->rank) + " and rank " +
                   std::to_string(other) + " both on CUDA device " + std::to_string(device);
      state = ncclInvalidUsage;
    }
  }
  void give_up() {
    ranks->given_up = true;
    for (simt::Greeting& greeting : greetings) {
      if (greeting.taken != MPI_REQUEST_NULL) {
        PMPI_Cancel(&greeting.taken);
        PMPI_Request_free(&greeting.taken);
      }
      if (greeting.sent != MPI_REQUEST_NULL) PMPI_Request_free(&greeting.sent);
    }
  }
};

namespace {

using Lock = std::lock_guard<std::recursive_mutex>;

struct Grouped {
  cudaStream_t stream;
  ncclComm_t comm;
  simt::Call call;
};

/// The group that is open.
struct Group {
  int depth = 0;
  std::vector<Grouped> calls;
};

Group& group() {
  static Group group;
  return group;
}

ncclResult_t issue(std::vector<Grouped> calls) {
  ncclResult_t result = ncclSuccess;
  while (!calls.empty()) {
    const cudaStream_t stream = calls.front().stream;
    std::vector<simt::Call> of_stream;
    std::vector<Grouped> rest;
    for (Grouped& call : calls) {
      if (call.stream == stream) {
        of_stream.push_back(std::move(call.call));
        if (const ncclResult_t answer = call.comm->answer(); answer != ncclSuccess) result = answer;
      } else {
        rest.push_back(std::move(call));
      }
    }
    if (simt::enqueue(stream, simt::together(std::move(of_stream))) != cudaSuccess) return ncclUnhandledCudaError;
    calls = std::move(rest);
  }
  return result;
}

ncclResult_t enqueue(simt::Operation operation, const void* from, void* to, std::size_t count, ncclDataType_t type,
                     ncclRedOp_t reduction, int peer, ncclComm_t comm, cudaStream_t stream) {
  using simt::Operation;
  const Lock lock(simt::runtime_mutex());
  if (comm == nullptr) return ncclInvalidArgument;
  if (comm->state != ncclSuccess || comm->settling || comm->finalizing)
    return comm->refuse(ncclInvalidArgument,
                        "Attempt to use communicator before the previous operation returned ncclSuccess");
  const std::size_t bytes = count * simt::element_bytes(type);
  const auto ranks = static_cast<std::size_t>(comm->ranks->size);
  if (simt::element_bytes(type) == 0) return comm->refuse(ncclInvalidArgument, "a type that is not supported");
  if (peer < 0 || peer >= comm->ranks->size) return comm->refuse(ncclInvalidArgument, "a rank that there is not");
  const bool root = peer == comm->ranks->rank;
  const bool reads = operation != Operation::receive && (operation != Operation::broadcast || root);
  const bool writes = operation != Operation::send && (operation != Operation::reduce || root);
  if (bytes > 0 && ((reads && !simt::is_device(from, operation == Operation::reduce_scatter ? ranks * bytes : bytes)) ||
                    (writes && !simt::is_device(to, operation == Operation::all_gather ? ranks * bytes : bytes))))
    return comm->refuse(ncclInvalidArgument, "a buffer that is not in one block of device memory");
  Grouped call{stream, comm, {operation, from, to, count, type, reduction, peer, comm->ranks}};
  if (group().depth > 0) {
    group().calls.push_back(std::move(call));
    return ncclSuccess;
  }
  std::vector<Grouped> alone;
  alone.push_back(std::move(call));
  return issue(std::move(alone));
}

}  // namespace

ncclResult_t ncclGetVersion(int* version) {
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  if (simt::device_error() != cudaSuccess) return ncclUnhandledCudaError;
  // Tags of messages are made from it, and a communicator that was given up leaves messages behind: whatever rank makes
  // them, one number is like another only after a thousand.
  static std::uint32_t made = 0;
  int rank = 0;
  int ranks = 1;
  if (simt::mpi_runs()) {
    PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
    PMPI_Comm_size(MPI_COMM_WORLD, &ranks);
  }
  *id = {};
  const std::uint32_t number = made++ * static_cast<std::uint32_t>(ranks) + static_cast<std::uint32_t>(rank);
  std::memcpy(id->internal, &number, sizeof(number));
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess:
      return "no error";
    case ncclUnhandledCudaError:
      return "unhandled cuda error";
    case ncclSystemError:
      return "unhandled system error";
    case ncclInternalError:
      return "internal error";
    case ncclInvalidArgument:
      return "invalid argument";
    case ncclInvalidUsage:
      return "invalid usage";
    case ncclRemoteError:
      return "remote process exited or there was a network error";
    case ncclInProgress:
      return "NCCL operation in progress";
    case ncclNumResults:
      break;
  }
  return "unknown result code";
}

const char* ncclGetLastError(ncclComm_t comm) { return comm == nullptr ? "" : comm->last_error.c_str(); }

ncclResult_t ncclCommInitRank(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank) {
  return ncclCommInitRankConfig(comm, ranks, id, rank, nullptr);
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank, ncclConfig_t* config) {
  *comm = nullptr;
  int world = 1;
  int own = 0;
  if (simt::mpi_runs()) {
    PMPI_Comm_size(MPI_COMM_WORLD, &world);
    PMPI_Comm_rank(MPI_COMM_WORLD, &own);
  }
  // The stand-in knows of no other ranks.
  if (ranks != world || rank != own) return ncclInvalidArgument;
  if (config != nullptr && config->magic != 0xcafebeef) return ncclInvalidArgument;
  const Lock lock(simt::runtime_mutex());
  auto made = std::make_unique<ncclComm>();
  if (cudaGetDevice(&made->device) != cudaSuccess) return ncclUnhandledCudaError;
  made->blocking = config == nullptr || config->blocking != 0;
  made->ranks->rank = rank;
  made->ranks->size = ranks;
  made->ranks->sent_to.resize(static_cast<std::size_t>(ranks));
  made->ranks->taken_from.resize(static_cast<std::size_t>(ranks));
  std::memcpy(&made->ranks->id, id.internal, sizeof(made->ranks->id));
  made->hello = {simt::host_number(), made->device};
  simt::all_ranks().push_back(made->ranks);
  made->greet();
  *comm = made.release();
  if (!(*comm)->blocking) return ncclInProgress;
  while ((*comm)->state == ncclInProgress) {
    (*comm)->progress();
    std::this_thread::yield();
  }
  return (*comm)->state;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* state) {
  if (comm == nullptr) return ncclInvalidArgument;
  const Lock lock(simt::runtime_mutex());
  if (simt::broken) {
    comm->last_error = "the connection to another rank was lost";
    *state = ncclRemoteError;
    return ncclSuccess;
  }
  comm->progress();
  *state = comm->state;
  if (comm->state != ncclSuccess) return ncclSuccess;
  if (std::exchange(comm->settling, false)) *state = ncclInProgress;
  if (comm->finalizing) {
    simt::advance_all();
    if (comm->ranks->under_way > 0) *state = ncclInProgress;
  }
  return ncclSuccess;
}

ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  if (comm == nullptr) return ncclInvalidArgument;
  const Lock lock(simt::runtime_mutex());
  comm->finalizing = true;
  if (!comm->blocking) return comm->answer();
  while (comm->ranks->under_way > 0) {
    simt::advance_all();
    std::this_thread::yield();
  }
  return ncclSuccess;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  const Lock lock(simt::runtime_mutex());
  if (comm == nullptr) return ncclSuccess;
  if (comm->state == ncclInProgress) comm->give_up();
  delete comm;
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  const Lock lock(simt::runtime_mutex());
  if (comm == nullptr) return ncclSuccess;
  comm->give_up();
  delete comm;
  return ncclSuccess;
}

ncclResult_t ncclCommCount(ncclComm_t comm, int* count) {
  *count = comm->ranks->size;
  return ncclSuccess;
}
ncclResult_t ncclCommUserRank(ncclComm_t comm, int* rank) {
  *rank = comm->ranks->rank;
  return ncclSuccess;
}
ncclResult_t ncclCommCuDevice(ncclComm_t comm, int* device) {
  *device = comm->device;
  return ncclSuccess;
}

using simt::Operation;

ncclResult_t ncclAllReduce(const void* from, void* to, std::size_t count, ncclDataType_t type, ncclRedOp_t reduction,
                           ncclComm_t comm, cudaStream_t stream) {
  return enqueue(Operation::all_reduce, from, to, count, type, reduction, 0, comm, stream);
}
ncclResult_t ncclReduce(const void* from, void* to, std::size_t count, ncclDataType_t type, ncclRedOp_t reduction,
                        int root, ncclComm_t comm, cudaStream_t stream) {
  return enqueue(Operation::reduce, from, to, count, type, reduction, root, comm, stream);
}
ncclResult_t ncclReduceScatter(const void* from, void* to, std::size_t count_each, ncclDataType_t type,
                               ncclRedOp_t reduction, ncclComm_t comm, cudaStream_t stream) {
  return enqueue(Operation::reduce_scatter, from, to, count_each, type, reduction, 0, comm, stream);
}
ncclResult_t ncclAllGather(const void* from, void* to, std::size_t count_each, ncclDataType_t type, ncclComm_t comm,
                           cudaStream_t stream) {
  return enqueue(Operation::all_gather, from, to, count_each, type, ncclSum, 0, comm, stream);
}
ncclResult_t ncclBroadcast(const void* from, void* to, std::size_t count, ncclDataType_t type, int root,
                           ncclComm_t comm, cudaStream_t stream) {
  return enqueue(Operation::broadcast, from, to, count, type, ncclSum, root, comm, stream);
}
ncclResult_t ncclSend(const void* from, std::size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return enqueue(Operation::send, from, nullptr, count, type, ncclSum, peer, comm, stream);
}
ncclResult_t ncclRecv(void* to, std::size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return enqueue(Operation::receive, nullptr, to, count, type, ncclSum, peer, comm, stream);
}

ncclResult_t ncclGroupStart() {
  ++group().depth;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
  const Lock lock(simt::runtime_mutex());
  if (group().depth == 0) return ncclInvalidUsage;
  if (--group().depth > 0) return ncclSuccess;
  return issue(std::exchange(group().calls, {}));
}

// A device works on while the host polls MPI for another rank, which may be waiting for the device of this one. So the
// polls of the host come by here (MPI's profiling interface), and when they have been in vain for long, streams run on.
extern "C" int MPI_Testall(int count, MPI_Request requests[], int* flag, MPI_Status statuses[]) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds kPatience{10};
  static Clock::time_point in_vain_since = Clock::time_point::max();
  const int status = PMPI_Testall(count, requests, flag, statuses);
  if (*flag != 0) {
    in_vain_since = Clock::time_point::max();
  } else if (in_vain_since == Clock::time_point::max()) {
    in_vain_since = Clock::now();
  } else if (Clock::now() - in_vain_since > kPatience) {
    const Lock lock(simt::runtime_mutex());
    if (simt::anything_under_way()) simt::advance_all();
  }
  return status;
}

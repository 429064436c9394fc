#include "comm/mpi_session.h"

#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "base/error.h"
#include "base/process_identity.h"
#include "comm/mpi_communicator.h"

namespace temper {
namespace {

/// An error that every rank meets is told by the lowest, which ends the others meanwhile.
std::chrono::milliseconds speaks_after(int rank) {
  return std::chrono::milliseconds(rank == 0 ? 0 : std::min(2000 + 100 * rank, 4000));
}

std::string start_advice(const LauncherEnvironment& environment) {
  std::string advice;
  if (environment.on_one_host) {
    advice = "a rank may have died or hang; try without other load, or fewer ranks";
  } else {
    advice =
        "MPI's connections between the hosts may be blocked by a firewall (open a range of ports and name it with "
        "--mca btl_tcp_port_min_v4 and --mca btl_tcp_port_range_v4) or tried over an interface that has the same "
        "address on every host, like docker0 (name the right network with --mca btl_tcp_if_include NETWORK/BITS and "
        "--mca oob_tcp_if_include NETWORK/BITS)";
    if (environment.launcher != "mpirun") advice += "; under Slurm start with srun --mpi=pmix";
    advice += "; mpirun temper bench machine --quick tests it";
  }
  return advice + "; TEMPER_START_TIMEOUT_SECONDS sets this limit";
}

}  // namespace

MpiSession::MpiSession(int* argc, char*** argv, double start_seconds)
    : environment_(read_launcher_environment()), start_seconds_(start_seconds) {
  const int rank = environment_.rank.value_or(0);
  watch_ = std::make_unique<RankWatch>(fmt::format("rank {} on {}", rank, host_name()), speaks_after(rank));
  // Open MPI asks every network's library whether it has a device, for a quarter of a second. Between the ranks of one
  // machine its "ob1" goes through shared memory, whatever they answer. What mpirun or the environment chooses is kept;
  // ob1 needs a transport ("btl"), so a choice of those is one, too.
  if (environment_.on_one_host && std::getenv("OMPI_MCA_btl") == nullptr)
    ::setenv("OMPI_MCA_pml", "ob1", /*overwrite=*/0);
  int status = MPI_SUCCESS;
  watch_->call(
      [&] {
        int provided = 0;
        status = MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided);
      },
      "MPI_Init", start_seconds_, start_advice(environment_));
  if (status != MPI_SUCCESS) throw Error("MPI_Init_thread failed");
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
}

MpiSession::~MpiSession() {
  // Without a limit: rank 0 may be busy with what it has to write.
  watch_->call([] { MPI_Finalize(); }, "MPI_Finalize", std::numeric_limits<double>::infinity(), "");
}

bool MpiSession::launched_by_mpi() { return read_launcher_environment().starts_mpi; }

void MpiSession::abort(int status) {
  MPI_Abort(MPI_COMM_WORLD, status);
  std::_Exit(status);
}

std::unique_ptr<Communicator> MpiSession::world() {
  std::unique_ptr<Communicator> world;
  const auto start = [&](const char* what, const std::function<void()>& part) {
    watch_->call(part, what, start_seconds_, start_advice(environment_));
  };
  start("the first messages (MPI_Comm_dup)", [&] { world = make_mpi_communicator({}, watch_.get()); });
  if (world->size() > 1) start("the first exchange of all ranks", [&] { watch_->connect(*world); });
  return world;
}

}  // namespace temper

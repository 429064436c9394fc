// Stands in for comm/cuda/ where the program is built without NCCL.
#include "comm/nccl_communicator.h"
#include "base/error.h"

namespace temper {

bool nccl_is_built() { return false; }
std::string nccl_version() { return ""; }

std::unique_ptr<NcclCommunicator> make_nccl_communicator(Communicator& /*communicator*/, CudaDevice& /*device*/) {
  throw NcclUnavailable("this program was built without NCCL");
}

}  // namespace temper

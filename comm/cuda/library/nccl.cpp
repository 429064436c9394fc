// The functions of NCCL that are used, each handed on to the library, which is loaded at the first call: the program
// also runs where NCCL is not installed.
#include <nccl.h>

#include <string>
#include <type_traits>

#include "base/shared_library.h"

namespace {

const temper::SharedLibrary& library() {
  static const temper::SharedLibrary loaded("libnccl.so." + std::to_string(NCCL_MAJOR));
  return loaded;
}

template <auto* kDeclared, typename... Arguments>
auto call(const char* name, Arguments... arguments) {
  static auto* const function = library().function<std::remove_pointer_t<decltype(kDeclared)>>(name);
  return function(arguments...);
}

}  // namespace

extern "C" {
ncclResult_t ncclGetVersion(int* version) { return call<ncclGetVersion>("ncclGetVersion", version); }
ncclResult_t ncclGetUniqueId(ncclUniqueId* id) { return call<ncclGetUniqueId>("ncclGetUniqueId", id); }
ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank, ncclConfig_t* config) {
  return call<ncclCommInitRankConfig>("ncclCommInitRankConfig", comm, ranks, id, rank, config);
}
ncclResult_t ncclCommFinalize(ncclComm_t comm) { return call<ncclCommFinalize>("ncclCommFinalize", comm); }
ncclResult_t ncclCommDestroy(ncclComm_t comm) { return call<ncclCommDestroy>("ncclCommDestroy", comm); }
ncclResult_t ncclCommAbort(ncclComm_t comm) { return call<ncclCommAbort>("ncclCommAbort", comm); }
ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* state) {
  return call<ncclCommGetAsyncError>("ncclCommGetAsyncError", comm, state);
}
const char* ncclGetErrorString(ncclResult_t result) { return call<ncclGetErrorString>("ncclGetErrorString", result); }
const char* ncclGetLastError(ncclComm_t comm) { return call<ncclGetLastError>("ncclGetLastError", comm); }
ncclResult_t ncclAllReduce(const void* from, void* to, size_t count, ncclDataType_t type, ncclRedOp_t reduction,
                           ncclComm_t comm, cudaStream_t stream) {
  return call<ncclAllReduce>("ncclAllReduce", from, to, count, type, reduction, comm, stream);
}
ncclResult_t ncclReduce(const void* from, void* to, size_t count, ncclDataType_t type, ncclRedOp_t reduction, int root,
                        ncclComm_t comm, cudaStream_t stream) {
  return call<ncclReduce>("ncclReduce", from, to, count, type, reduction, root, comm, stream);
}
ncclResult_t ncclReduceScatter(const void* from, void* to, size_t count, ncclDataType_t type, ncclRedOp_t reduction,
                               ncclComm_t comm, cudaStream_t stream) {
  return call<ncclReduceScatter>("ncclReduceScatter", from, to, count, type, reduction, comm, stream);
}
ncclResult_t ncclAllGather(const void* from, void* to, size_t count, ncclDataType_t type, ncclComm_t comm,
                           cudaStream_t stream) {
  return call<ncclAllGather>("ncclAllGather", from, to, count, type, comm, stream);
}
ncclResult_t ncclBroadcast(const void* from, void* to, size_t count, ncclDataType_t type, int root, ncclComm_t comm,
                           cudaStream_t stream) {
  return call<ncclBroadcast>("ncclBroadcast", from, to, count, type, root, comm, stream);
}
ncclResult_t ncclSend(const void* from, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return call<ncclSend>("ncclSend", from, count, type, peer, comm, stream);
}
ncclResult_t ncclRecv(void* to, size_t count, ncclDataType_t type, int peer, ncclComm_t comm, cudaStream_t stream) {
  return call<ncclRecv>("ncclRecv", to, count, type, peer, comm, stream);
}
ncclResult_t ncclGroupStart() { return call<ncclGroupStart>("ncclGroupStart"); }
ncclResult_t ncclGroupEnd() { return call<ncclGroupEnd>("ncclGroupEnd"); }
}

// Graphs: what a stream is given is recorded instead of enqueued, and enqueued anew at every launch.
//
// Note: memory that is allocated while recording is there from that moment on, and freeing it in the recording only
// fills it with NaNs, since every launch needs it again.
#include <algorithm>
#include <memory>
#include <vector>

#include "tests/simt/stream.h"

struct CUgraph_st {
  std::vector<simt::Node> nodes;
  std::shared_ptr<simt::GraphMemory> memory;
};

struct CUgraphExec_st {
  CUgraph_st graph;
};

using simt::noted;
using Lock = std::lock_guard<std::recursive_mutex>;

cudaError_t cudaStreamBeginCapture(cudaStream_t name, cudaStreamCaptureMode /*mode*/) {
  const Lock lock(simt::runtime_mutex());
  const std::shared_ptr<CUstream_st> stream = simt::find_stream(name);
  if (stream == nullptr) return noted(cudaErrorInvalidResourceHandle);
  // The default stream cannot be recorded.
  if (name == nullptr) return noted(cudaErrorStreamCaptureUnsupported);
  if (stream->recording != nullptr) return noted(cudaErrorInvalidValue);
  stream->recording = std::make_shared<simt::Recording>();
  stream->recording->origin = name;
  stream->unjoined = false;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t name, cudaGraph_t* graph) {
  const Lock lock(simt::runtime_mutex());
  *graph = nullptr;
  const std::shared_ptr<CUstream_st> stream = simt::find_stream(name);
  if (stream == nullptr) return noted(cudaErrorInvalidResourceHandle);
  const std::shared_ptr<simt::Recording> recording = stream->recording;
  if (recording == nullptr) return noted(cudaErrorInvalidValue);
  if (recording->origin != name) return noted(cudaErrorStreamCaptureUnmatched);
  stream->recording.reset();
  bool unjoined = false;
  for (const cudaStream_t joined : recording->joined) {
    const std::shared_ptr<CUstream_st> other = simt::find_stream(joined);
    if (other == nullptr) continue;
    unjoined = unjoined || other->unjoined;
    other->recording.reset();
  }
  if (recording->invalid) return noted(cudaErrorStreamCaptureInvalidated);
  if (unjoined) return noted(cudaErrorStreamCaptureUnjoined);
  *graph = new CUgraph_st{recording->nodes, recording->memory};
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t name, cudaStreamCaptureStatus* status) {
  const Lock lock(simt::runtime_mutex());
  const std::shared_ptr<CUstream_st> stream = simt::find_stream(name);
  if (stream == nullptr) return noted(cudaErrorInvalidResourceHandle);
  *status = stream->recording == nullptr ? cudaStreamCaptureStatusNone
            : stream->recording->invalid ? cudaStreamCaptureStatusInvalidated
                                         : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long /*flags*/) {
  if (graph == nullptr) return noted(cudaErrorInvalidValue);
  *executable = new CUgraphExec_st{*graph};
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  const Lock lock(simt::runtime_mutex());
  if (executable == nullptr) return noted(cudaErrorInvalidValue);
  for (const simt::Node& node : executable->graph.nodes)
    if (const cudaError_t error = simt::enqueue(stream, node); error != cudaSuccess) return error;
  // The graph may be destroyed before its work is done.
  return simt::enqueue_once(stream, [memory = executable->graph.memory] {});
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  if (executable == nullptr) return noted(cudaErrorInvalidValue);
  const Lock lock(simt::runtime_mutex());
  delete executable;
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  if (graph == nullptr) return noted(cudaErrorInvalidValue);
  const Lock lock(simt::runtime_mutex());
  delete graph;
  return cudaSuccess;
}

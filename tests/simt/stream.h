// Streams: queues of work that runs when somebody waits for it, and what is recorded of them for graphs.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "simt/runtime_api.h"

namespace simt {

/// Returns true once it is done; until then it is called again and again.
using Work = std::function<bool()>;
/// Makes the same work anew each time that it is enqueued.
using Node = std::function<Work()>;

/// Memory that was allocated while a graph was recorded, and lives as long as the graph.
class GraphMemory {
 public:
  GraphMemory() = default;
  GraphMemory(const GraphMemory&) = delete;
  GraphMemory& operator=(const GraphMemory&) = delete;
  ~GraphMemory();
  void keep(void* block) { blocks_.push_back(block); }
  [[nodiscard]] bool keeps(const void* block) const;

 private:
  std::vector<void*> blocks_;
};

struct Recording {
  cudaStream_t origin = nullptr;
  std::vector<cudaStream_t> joined;  ///< the other streams that take part
  std::vector<Node> nodes;           ///< in the order of the calls, which every dependency agrees with
  std::shared_ptr<GraphMemory> memory = std::make_shared<GraphMemory>();
  bool invalid = false;
};

}  // namespace simt

struct CUstream_st {
  std::deque<simt::Work> queue;
  std::uint64_t enqueued = 0;  ///< pieces of work ever given
  std::uint64_t done = 0;
  bool running = false;  ///< a piece of its work is being called
  std::shared_ptr<simt::Recording> recording;
  bool unjoined = false;  ///< recorded work that the origin does not wait for yet
};

namespace simt {

/// What an event stands for: a place in a stream.
struct Mark {
  std::shared_ptr<CUstream_st> stream;
  std::uint64_t place = 0;
  std::chrono::steady_clock::time_point reached;
  std::shared_ptr<Recording> recording;  ///< of a mark that was set while a graph was recorded
};

/// Held by every call; work runs under it.
std::recursive_mutex& runtime_mutex();

/// The stream itself, or the default one for null; null where there is none of this name.
std::shared_ptr<CUstream_st> find_stream(cudaStream_t stream);
cudaError_t enqueue(cudaStream_t stream, Node node);
cudaError_t enqueue_once(cudaStream_t stream, std::function<void()> action);
/// Runs the stream's work up to `place`; false where something before it cannot be done yet.
bool advance(CUstream_st& stream, std::uint64_t place);
/// The same; what cannot be done yet lets all other streams run on.
bool query(CUstream_st& stream, std::uint64_t place);
/// Runs it, however long that takes.
void finish(CUstream_st& stream, std::uint64_t place);
void finish_all();
/// Runs what can be done of every stream.
void advance_all();
/// cudaErrorStreamCaptureUnsupported, and an end to the recording, where a call waits in the middle of one.
cudaError_t refuse_while_recording(CUstream_st* stream);
bool anything_recording();

/// Keeps an error for cudaGetLastError.
cudaError_t noted(cudaError_t error);
/// cudaErrorNoDevice where there is none.
cudaError_t device_error();

}  // namespace simt

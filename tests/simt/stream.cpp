#include "tests/simt/stream.h"

#include <time.h>

#include <algorithm>
#include <map>
#include <utility>

#include "tests/simt/device_heap.h"
#include "tests/simt/device_memory.h"
#include "tests/simt/report.h"

struct CUevent_st {
  std::shared_ptr<simt::Mark> mark;
};

namespace simt {
namespace {

struct Streams {
  std::shared_ptr<CUstream_st> standard = std::make_shared<CUstream_st>();
  std::map<cudaStream_t, std::shared_ptr<CUstream_st>> others;
};

Streams& streams() {
  static Streams streams;
  return streams;
}

using Lock = std::lock_guard<std::recursive_mutex>;

bool reached(const Mark& mark) { return mark.stream->done >= mark.place; }

}  // namespace

GraphMemory::~GraphMemory() {
  for (void* const block : blocks_) release_device(block);
}

bool GraphMemory::keeps(const void* block) const {
  return std::find(blocks_.begin(), blocks_.end(), block) != blocks_.end();
}

std::recursive_mutex& runtime_mutex() {
  static std::recursive_mutex mutex;
  return mutex;
}

std::shared_ptr<CUstream_st> find_stream(cudaStream_t stream) {
  if (stream == nullptr) return streams().standard;
  const auto found = streams().others.find(stream);
  return found == streams().others.end() ? nullptr : found->second;
}

cudaError_t enqueue(cudaStream_t name, Node node) {
  const Lock lock(runtime_mutex());
  const std::shared_ptr<CUstream_st> stream = find_stream(name);
  if (stream == nullptr) return noted(cudaErrorInvalidResourceHandle);
  if (stream->recording != nullptr) {
    if (stream->recording->invalid) return noted(cudaErrorStreamCaptureInvalidated);
    stream->recording->nodes.push_back(std::move(node));
    stream->unjoined = true;
    return cudaSuccess;
  }
  stream->queue.push_back(node());
  ++stream->enqueued;
  return cudaSuccess;
}

cudaError_t enqueue_once(cudaStream_t stream, std::function<void()> action) {
  Work work = [action = std::move(action)] {
    action();
    return true;
  };
  return enqueue(stream, [work = std::move(work)] { return work; });
}

bool advance(CUstream_st& stream, std::uint64_t place) {
  if (stream.running || stream.done >= place) return stream.done >= place;
  const DeviceAccess access;
  while (stream.done < place) {
    stream.running = true;
    const bool done = stream.queue.front()();
    stream.running = false;
    if (!done) return false;
    stream.queue.pop_front();
    ++stream.done;
  }
  return true;
}

void advance_all() {
  advance(*streams().standard, streams().standard->enqueued);
  // Work may change the table: a copy.
  const std::map<cudaStream_t, std::shared_ptr<CUstream_st>> others = streams().others;
  for (const auto& [name, stream] : others) advance(*stream, stream->enqueued);
}

bool query(CUstream_st& stream, std::uint64_t place) {
  if (advance(stream, place)) return true;
  // What another rank is to do for it may need another stream of this rank, which a device would be running.
  advance_all();
  return advance(stream, place);
}

void finish(CUstream_st& stream, std::uint64_t place) {
  for (int attempt = 0; !query(stream, place); ++attempt) {
    const timespec nap{0, attempt < 100 ? 1'000 : 50'000};
    nanosleep(&nap, nullptr);
  }
}

void finish_all() {
  finish(*streams().standard, streams().standard->enqueued);
  const std::map<cudaStream_t, std::shared_ptr<CUstream_st>> others = streams().others;
  for (const auto& [name, stream] : others) finish(*stream, stream->enqueued);
}

bool anything_recording() {
  return std::any_of(streams().others.begin(), streams().others.end(),
                     [](const auto& entry) { return entry.second->recording != nullptr; });
}

cudaError_t refuse_while_recording(CUstream_st* stream) {
  if (stream == nullptr || stream->recording == nullptr) return cudaSuccess;
  stream->recording->invalid = true;
  return cudaErrorStreamCaptureUnsupported;
}

}  // namespace simt

using simt::Lock;
using simt::noted;

namespace {

cudaError_t create(cudaStream_t* stream) {
  if (const cudaError_t error = simt::device_error(); error != cudaSuccess) return noted(error);
  const Lock lock(simt::runtime_mutex());
  const auto made = std::make_shared<CUstream_st>();
  *stream = made.get();
  simt::streams().others[made.get()] = made;
  return cudaSuccess;
}

}  // namespace

// ---- streams -------------------------------------------------------------------------------------------------------
cudaError_t cudaStreamCreate(cudaStream_t* stream) { return create(stream); }
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned /*flags*/) { return create(stream); }
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned /*flags*/, int /*priority*/) {
  return create(stream);
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return noted(simt::device_error());
}

cudaError_t cudaStreamDestroy(cudaStream_t name) {
  const Lock lock(simt::runtime_mutex());
  const std::shared_ptr<CUstream_st> stream = simt::find_stream(name);
  if (stream == nullptr || name == nullptr) return noted(cudaErrorInvalidResourceHandle);
  // A device would go on with its work; what cannot be done now is never done.
  simt::advance(*stream, stream->enqueued);
  simt::streams().others.erase(name);
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t name) {
  const Lock lock(simt::runtime_mutex());
  const std::shared_ptr<CUstream_st> stream = simt::find_stream(name);
  if (stream == nullptr) return noted(cudaErrorInvalidResourceHandle);
  if (const cudaError_t error = simt::refuse_while_recording(stream.get()); error != cudaSuccess) return noted(error);
  simt::finish(*stream, stream->enqueued);
  return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t name) {
  const Lock lock(simt::runtime_mutex());
  const std::shared_ptr<CUstream_st> stream = simt::find_stream(name);
  if (stream == nullptr) return noted(cudaErrorInvalidResourceHandle);
  if (const cudaError_t error = simt::refuse_while_recording(stream.get()); error != cudaSuccess) return noted(error);
  return simt::query(*stream, stream->enqueued) ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t name, cudaEvent_t event, unsigned /*flags*/) {
  const Lock lock(simt::runtime_mutex());
  const std::shared_ptr<CUstream_st> stream = simt::find_stream(name);
  if (stream == nullptr || event == nullptr) return noted(cudaErrorInvalidResourceHandle);
  const std::shared_ptr<simt::Mark> mark = event->mark;
  if (mark == nullptr) return cudaSuccess;
  if (mark->recording != nullptr) {
    if (stream->recording == nullptr) {
      stream->recording = mark->recording;
      stream->recording->joined.push_back(name);
      stream->unjoined = true;
    }
    if (stream->recording != mark->recording) return noted(cudaErrorStreamCaptureMerge);
    // The mark's place counts the recorded nodes: nothing came after it on its stream.
    if (mark->stream->recording == mark->recording && mark->place == mark->recording->nodes.size())
      mark->stream->unjoined = false;
    stream->unjoined = true;
    return cudaSuccess;
  }
  if (stream->recording != nullptr) {
    stream->recording->invalid = true;
    return noted(cudaErrorStreamCaptureIsolation);
  }
  return simt::enqueue(name, [mark] { return [mark] { return simt::advance(*mark->stream, mark->place); }; });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  return simt::enqueue_once(stream, [function, data] { function(data); });
}

// ---- events --------------------------------------------------------------------------------------------------------
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned /*flags*/) {
  if (const cudaError_t error = simt::device_error(); error != cudaSuccess) return noted(error);
  *event = new CUevent_st;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (event == nullptr) return noted(cudaErrorInvalidResourceHandle);
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t name) {
  const Lock lock(simt::runtime_mutex());
  const std::shared_ptr<CUstream_st> stream = simt::find_stream(name);
  if (stream == nullptr || event == nullptr) return noted(cudaErrorInvalidResourceHandle);
  const auto mark = std::make_shared<simt::Mark>();
  mark->stream = stream;
  event->mark = mark;
  if (stream->recording != nullptr) {
    mark->recording = stream->recording;
    mark->place = stream->recording->nodes.size();
    return cudaSuccess;
  }
  mark->place = stream->enqueued + 1;
  return simt::enqueue_once(name, [mark] { mark->reached = std::chrono::steady_clock::now(); });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  const Lock lock(simt::runtime_mutex());
  if (event == nullptr) return noted(cudaErrorInvalidResourceHandle);
  if (event->mark == nullptr) return cudaSuccess;
  if (event->mark->recording != nullptr) return noted(cudaErrorCapturedEvent);
  return simt::query(*event->mark->stream, event->mark->place) ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Lock lock(simt::runtime_mutex());
  if (event == nullptr) return noted(cudaErrorInvalidResourceHandle);
  if (event->mark == nullptr) return cudaSuccess;
  if (event->mark->recording != nullptr) return noted(cudaErrorCapturedEvent);
  simt::finish(*event->mark->stream, event->mark->place);
  return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  const Lock lock(simt::runtime_mutex());
  if (start == nullptr || end == nullptr || start->mark == nullptr || end->mark == nullptr)
    return noted(cudaErrorInvalidResourceHandle);
  if (!simt::reached(*start->mark) || !simt::reached(*end->mark)) return cudaErrorNotReady;
  *milliseconds = std::chrono::duration<float, std::milli>(end->mark->reached - start->mark->reached).count();
  return cudaSuccess;
}

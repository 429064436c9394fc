// Note: everything goes through host memory of its own, so the device's memory is read when an operation begins and
// written when it ends, never in between; and sums are made in the order of the ranks, so they are the same on all of
// them.
#include "tests/simt/collective.h"

#include <mpi.h>

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "cuda_bf16.h"
#include "tests/simt/report.h"

namespace simt {
namespace {

/// Goes before the content of every message, so that ranks which do not call the same thing are told so.
struct Envelope {
  std::uint64_t count;
  std::int32_t operation, type, reduction, root;
  bool operator==(const Envelope&) const = default;
};

const char* name_of(std::int32_t operation) {
  constexpr const char* kNames[] = {"ncclAllReduce", "ncclReduce", "ncclReduceScatter", "ncclAllGather",
                                    "ncclBroadcast", "ncclSend",   "ncclRecv"};
  return kNames[operation];
}

template <typename T>
T combined(T a, T b, ncclRedOp_t reduction) {
  switch (reduction) {
    case ncclProd:
      return a * b;
    case ncclMax:
      return std::max(a, b);
    case ncclMin:
      return std::min(a, b);
    case ncclSum:
    case ncclAvg:
      break;
  }
  return a + b;
}

/// The reduction over inputs [ranks][count], in the order of the ranks, to `to`.
template <typename T>
void reduce_as(const std::vector<std::vector<std::byte>>& inputs, std::size_t count, ncclRedOp_t reduction, void* to) {
  using Wide = std::conditional_t<std::is_same_v<T, __nv_bfloat16>, float, T>;
  for (std::size_t i = 0; i < count; ++i) {
    Wide sum{};
    for (std::size_t r = 0; r < inputs.size(); ++r) {
      T value;
      std::memcpy(&value, inputs[r].data() + i * sizeof(T), sizeof(T));
      sum = r == 0 ? static_cast<Wide>(value) : combined(sum, static_cast<Wide>(value), reduction);
    }
    if (reduction == ncclAvg) sum = static_cast<Wide>(sum / static_cast<Wide>(inputs.size()));
    const T rounded = static_cast<T>(sum);
    std::memcpy(static_cast<std::byte*>(to) + i * sizeof(T), &rounded, sizeof(T));
  }
}

void reduce(const std::vector<std::vector<std::byte>>& inputs, const Call& call) {
  switch (call.type) {
    case ncclInt8:
      return reduce_as<std::int8_t>(inputs, call.count, call.reduction, call.to);
    case ncclUint8:
      return reduce_as<std::uint8_t>(inputs, call.count, call.reduction, call.to);
    case ncclInt32:
      return reduce_as<std::int32_t>(inputs, call.count, call.reduction, call.to);
    case ncclUint32:
      return reduce_as<std::uint32_t>(inputs, call.count, call.reduction, call.to);
    case ncclInt64:
      return reduce_as<std::int64_t>(inputs, call.count, call.reduction, call.to);
    case ncclUint64:
      return reduce_as<std::uint64_t>(inputs, call.count, call.reduction, call.to);
    case ncclFloat32:
      return reduce_as<float>(inputs, call.count, call.reduction, call.to);
    case ncclFloat64:
      return reduce_as<double>(inputs, call.count, call.reduction, call.to);
    case ncclBfloat16:
      return reduce_as<__nv_bfloat16>(inputs, call.count, call.reduction, call.to);
    case ncclFloat16:
      break;
  }
}

/// One call under way.
class Running {
 public:
  /// Takes the call's number: its messages meet those of the same number on the other ranks.
  explicit Running(Call call) : call_(std::move(call)), incoming_(static_cast<std::size_t>(call_.ranks->size)) {
    Ranks& ranks = *call_.ranks;
    ++ranks.under_way;
    switch (call_.operation) {
      case Operation::send:
        number_ = ranks.sent_to[static_cast<std::size_t>(call_.peer)]++;
        break;
      case Operation::receive:
        number_ = ranks.taken_from[static_cast<std::size_t>(call_.peer)]++;
        break;
      default:
        number_ = ranks.collectives++;
    }
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() {
    if (!done_) --call_.ranks->under_way;
    // Of an operation that was given up. MPI may still read what is being sent.
    for (Outgoing& message : outgoing_)
      if (message.request != MPI_REQUEST_NULL) {
        PMPI_Request_free(&message.request);
        abandoned().push_back(std::move(message.bytes));
      }
    for (Incoming& message : incoming_)
      if (message.request != MPI_REQUEST_NULL) {
        PMPI_Request_free(&message.request);
        abandoned().push_back(std::move(message.bytes));
      }
  }

  /// Makes progress; true once the call is done.
  bool test() {
    if (done_) return true;
    if (!call_.ranks->given_up) {
      if (!begun_) begin();
      // Both each time: a long message is sent only once the other side takes it.
      const bool sent = all_sent();
      const bool taken = all_taken();
      if (!sent || !taken) return false;
      end();
    }
    done_ = true;
    --call_.ranks->under_way;
    return true;
  }

 private:
  struct Outgoing {
    std::vector<std::byte> bytes;
    MPI_Request request = MPI_REQUEST_NULL;
  };
  enum class Stage : std::uint8_t { none, awaited, arriving, here };
  struct Incoming {
    Stage stage = Stage::none;
    std::vector<std::byte> bytes;
    MPI_Request request = MPI_REQUEST_NULL;
  };

  static std::vector<std::vector<std::byte>>& abandoned() {
    static std::vector<std::vector<std::byte>> buffers;
    return buffers;
  }

  std::size_t bytes() const { return call_.count * element_bytes(call_.type); }
  bool is_root() const { return call_.peer == call_.ranks->rank; }
  bool point_to_point() const { return call_.operation == Operation::send || call_.operation == Operation::receive; }
  int tag() const {
    return message_tag(*call_.ranks, point_to_point() ? MessageKind::point_to_point : MessageKind::collective, number_);
  }
  Envelope envelope() const {
    // A message that is sent meets one that is received.
    const Operation operation = call_.operation == Operation::receive ? Operation::send : call_.operation;
    const bool rooted = operation == Operation::reduce || operation == Operation::broadcast;
    return {call_.count, static_cast<std::int32_t>(operation), call_.type, call_.reduction, rooted ? call_.peer : 0};
  }

  void send(int to, std::size_t offset) {
    const auto* const data = static_cast<const std::byte*>(call_.from) + offset;
    if (to == call_.ranks->rank && call_.operation == Operation::send) {
      call_.ranks->to_itself.emplace_back(data, data + bytes());
      return;
    }
    if (to == call_.ranks->rank) {
      Incoming& own = incoming_[static_cast<std::size_t>(to)];
      own.bytes.assign(data, data + bytes());
      own.stage = Stage::here;
      return;
    }
    Outgoing& message = outgoing_.emplace_back();
    message.bytes.resize(sizeof(Envelope) + bytes());
    const Envelope head = envelope();
    std::memcpy(message.bytes.data(), &head, sizeof(head));
    if (bytes() > 0) std::memcpy(message.bytes.data() + sizeof(head), data, bytes());
    if (message.bytes.size() > 0x7FFFFFFF) fail("%s of more than 2 GiB", name_of(head.operation));
    PMPI_Isend(message.bytes.data(), static_cast<int>(message.bytes.size()), MPI_BYTE, to, tag(), MPI_COMM_WORLD,
               &message.request);
  }
  void send_to_all() {
    for (int to = 0; to < call_.ranks->size; ++to) send(to, 0);
  }
  void take(int from) {
    Incoming& message = incoming_[static_cast<std::size_t>(from)];
    if (message.stage == Stage::none) message.stage = Stage::awaited;
  }
  void take_from_all() {
    for (int from = 0; from < call_.ranks->size; ++from) take(from);
  }

  void begin() {
    begun_ = true;
    switch (call_.operation) {
      case Operation::all_reduce:
      case Operation::all_gather:
        send_to_all();
        return take_from_all();
      case Operation::reduce:
        send(call_.peer, 0);
        if (is_root()) take_from_all();
        return;
      case Operation::reduce_scatter:
        for (int to = 0; to < call_.ranks->size; ++to) send(to, static_cast<std::size_t>(to) * bytes());
        return take_from_all();
      case Operation::broadcast:
        if (is_root()) send_to_all();
        return take(call_.peer);
      case Operation::send:
        return send(call_.peer, 0);
      case Operation::receive:
        return take(call_.peer);
    }
  }

  bool all_sent() {
    bool all = true;
    for (Outgoing& message : outgoing_) {
      int sent = 0;
      PMPI_Test(&message.request, &sent, MPI_STATUS_IGNORE);
      all = all && sent != 0;
    }
    return all;
  }

  bool all_taken() {
    bool all = true;
    for (int from = 0; from < call_.ranks->size; ++from) {
      Incoming& message = incoming_[static_cast<std::size_t>(from)];
      if (message.stage == Stage::awaited) look_for(from, message);
      if (message.stage == Stage::arriving) {
        int arrived = 0;
        PMPI_Test(&message.request, &arrived, MPI_STATUS_IGNORE);
        if (arrived != 0) open(from, message);
      }
      all = all && (message.stage == Stage::none || message.stage == Stage::here);
    }
    return all;
  }

  void look_for(int from, Incoming& message) {
    if (from == call_.ranks->rank) {
      if (call_.ranks->to_itself.empty()) return;
      message.bytes = std::move(call_.ranks->to_itself.front());
      call_.ranks->to_itself.pop_front();
      if (message.bytes.size() != bytes()) fail("a message of a rank to itself has another size than is received");
      message.stage = Stage::here;
      return;
    }
    int found = 0;
    MPI_Message handle = MPI_MESSAGE_NULL;
    MPI_Status status;
    PMPI_Improbe(from, tag(), MPI_COMM_WORLD, &found, &handle, &status);
    if (found == 0) return;
    int length = 0;
    PMPI_Get_count(&status, MPI_BYTE, &length);
    message.bytes.resize(static_cast<std::size_t>(length));
    PMPI_Imrecv(message.bytes.data(), length, MPI_BYTE, &handle, &message.request);
    message.stage = Stage::arriving;
  }

  void open(int from, Incoming& message) {
    Envelope theirs{};
    std::memcpy(&theirs, message.bytes.data(), sizeof(theirs));
    const Envelope own = envelope();
    if (!(theirs == own))
      fail(
          "rank %d calls %s of %zu elements of type %d (reduction %d, root %d), but rank %d calls %s of %zu elements "
          "of type %d (reduction %d, root %d)",
          call_.ranks->rank, name_of(own.operation), static_cast<std::size_t>(own.count), own.type, own.reduction,
          own.root, from, name_of(theirs.operation), static_cast<std::size_t>(theirs.count), theirs.type,
          theirs.reduction, theirs.root);
    message.bytes.erase(message.bytes.begin(), message.bytes.begin() + sizeof(Envelope));
    message.stage = Stage::here;
  }

  void end() {
    const auto deliver = [this](int from, std::size_t offset) {
      const std::vector<std::byte>& content = incoming_[static_cast<std::size_t>(from)].bytes;
      if (!content.empty()) std::memcpy(static_cast<std::byte*>(call_.to) + offset, content.data(), content.size());
    };
    switch (call_.operation) {
      case Operation::all_reduce:
      case Operation::reduce_scatter:
        return reduce_incoming();
      case Operation::reduce:
        if (is_root()) reduce_incoming();
        return;
      case Operation::all_gather:
        for (int from = 0; from < call_.ranks->size; ++from) deliver(from, static_cast<std::size_t>(from) * bytes());
        return;
      case Operation::broadcast:
      case Operation::receive:
        return deliver(call_.peer, 0);
      case Operation::send:
        return;
    }
  }

  void reduce_incoming() {
    std::vector<std::vector<std::byte>> inputs;
    for (Incoming& message : incoming_) inputs.push_back(std::move(message.bytes));
    reduce(inputs, call_);
  }

  Call call_;
  std::uint32_t number_ = 0;
  bool begun_ = false;
  bool done_ = false;
  std::vector<Outgoing> outgoing_;
  std::vector<Incoming> incoming_;
};

}  // namespace

int message_tag(const Ranks& ranks, MessageKind kind, std::uint32_t number) {
  return static_cast<int>((ranks.id & 0x3FFU) << 18U | static_cast<std::uint32_t>(kind) << 16U | (number & 0xFFFFU));
}

std::size_t element_bytes(ncclDataType_t type) {
  switch (type) {
    case ncclInt8:
    case ncclUint8:
      return 1;
    case ncclBfloat16:
      return 2;
    case ncclInt32:
    case ncclUint32:
    case ncclFloat32:
      return 4;
    case ncclInt64:
    case ncclUint64:
    case ncclFloat64:
      return 8;
    case ncclFloat16:
      break;
  }
  return 0;
}

Node together(std::vector<Call> calls) {
  return [calls = std::move(calls)]() -> Work {
    // Work must be copyable; what is under way is not.
    const auto running = std::make_shared<std::vector<std::unique_ptr<Running>>>();
    for (const Call& call : calls) running->push_back(std::make_unique<Running>(call));
    return [running] {
      bool all = true;
      for (const std::unique_ptr<Running>& call : *running) all = call->test() && all;
      return all;
    };
  };
}

}  // namespace simt

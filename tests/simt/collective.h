// The operations of NCCL as messages of MPI that are under way while the stream waits for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "nccl.h"
#include "tests/simt/stream.h"

namespace simt {

/// The ranks that talk to one another, all of MPI_COMM_WORLD.
struct Ranks {
  int rank = 0;
  int size = 1;
  std::uint32_t id = 0;
  bool given_up = false;                  ///< what is under way is dropped, and its stream goes on
  int under_way = 0;                      ///< operations on streams that are not done
  std::uint32_t collectives = 0;          ///< enqueued so far
  std::vector<std::uint32_t> sent_to;     ///< [size], messages enqueued so far
  std::vector<std::uint32_t> taken_from;  ///< [size]
  std::deque<std::vector<std::byte>> to_itself;
};

enum class MessageKind : std::uint32_t { hello, collective, point_to_point };
/// What tells the messages of one operation from all others between two ranks.
int message_tag(const Ranks& ranks, MessageKind kind, std::uint32_t number);

enum class Operation : std::uint8_t { all_reduce, reduce, reduce_scatter, all_gather, broadcast, send, receive };

struct Call {
  Operation operation;
  const void* from;
  void* to;
  std::size_t count;
  ncclDataType_t type;
  ncclRedOp_t reduction;
  int peer;  ///< or the root
  std::shared_ptr<Ranks> ranks;
};

/// 0 for a type that there is no arithmetic for.
std::size_t element_bytes(ncclDataType_t type);
/// Work in which all of the calls are under way at once.
Node together(std::vector<Call> calls);

}  // namespace simt

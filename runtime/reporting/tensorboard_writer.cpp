#include "runtime/reporting/tensorboard_writer.h"

#include <unistd.h>

#include <bit>
#include <chrono>
#include <string>
#include <system_error>

#include "base/error.h"
#include "base/process_identity.h"
#include "runtime/reporting/crc32c.h"

namespace temper {
namespace {

// Field numbers of Event, Summary, Summary.Value and SessionLog.
constexpr std::uint32_t kEventWallTime = 1;
constexpr std::uint32_t kEventStep = 2;
constexpr std::uint32_t kEventFileVersion = 3;
constexpr std::uint32_t kEventSummary = 5;
constexpr std::uint32_t kEventSessionLog = 7;
constexpr std::uint32_t kSummaryValue = 1;
constexpr std::uint32_t kValueTag = 1;
constexpr std::uint32_t kValueSimpleValue = 2;
constexpr std::uint32_t kSessionLogStatus = 1;
constexpr std::uint64_t kSessionLogStart = 1;

template <typename Unsigned>
std::string little_endian(Unsigned value) {
  std::string bytes;
  for (std::size_t i = 0; i < sizeof(Unsigned); ++i) bytes += static_cast<char>((value >> (8 * i)) & 255);
  return bytes;
}

/// A protobuf message under construction: https://protobuf.dev/programming-guides/encoding
class Message {
 public:
  Message& varint(std::uint32_t field, std::uint64_t value) {
    append_varint(field << 3 | 0U);
    append_varint(value);
    return *this;
  }
  Message& float64(std::uint32_t field, double value) {
    append_varint(field << 3 | 1U);
    bytes_ += little_endian(std::bit_cast<std::uint64_t>(value));
    return *this;
  }
  Message& float32(std::uint32_t field, float value) {
    append_varint(field << 3 | 5U);
    bytes_ += little_endian(std::bit_cast<std::uint32_t>(value));
    return *this;
  }
  /// A string or a message.
  Message& bytes(std::uint32_t field, std::string_view value) {
    append_varint(field << 3 | 2U);
    append_varint(value.size());
    bytes_ += value;
    return *this;
  }
  [[nodiscard]] const std::string& encoded() const { return bytes_; }

 private:
  void append_varint(std::uint64_t value) {
    for (; value > 127; value >>= 7) bytes_ += static_cast<char>(value | 128);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Message event(std::int64_t step) {
  Message message;
  message.float64(kEventWallTime, seconds_since_1970());
  // Negative numbers are written as their two's complement in 64 bits.
  message.varint(kEventStep, static_cast<std::uint64_t>(step));
  return message;
}

/// TensorFlow masks checksums, because a CRC over data that holds CRCs is weak.
std::uint32_t masked_crc32c(std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + 0xa282ead8U; }

LogFile open_event_file(const std::filesystem::path& directory) {
  std::error_code status;
  std::filesystem::create_directories(directory, status);
  if (status) throw Error("{}: the folder cannot be made: {}", directory.string(), status.message());
  const std::filesystem::path path =
      directory / fmt::format("events.out.tfevents.{:010}.{}.{}", static_cast<std::int64_t>(seconds_since_1970()),
                              host_name(), ::getpid());
  // Two writers of one process within a second.
  std::filesystem::path free = path;
  for (int i = 1; std::filesystem::exists(free); ++i) free = fmt::format("{}.{}", path.string(), i);
  return {free, LogFile::Mode::create_new};
}

}  // namespace

TensorboardWriter::TensorboardWriter(const std::filesystem::path& directory, std::optional<std::int64_t> resume_step)
    : file_(open_event_file(directory)) {
  Message version;
  version.float64(kEventWallTime, seconds_since_1970());
  write_record(version.bytes(kEventFileVersion, "brain.Event:2").encoded());
  if (resume_step) {
    // A session that starts at a step takes the place of every point from that step on.
    const Message session = Message().varint(kSessionLogStatus, kSessionLogStart);
    write_record(event(*resume_step + 1).bytes(kEventSessionLog, session.encoded()).encoded());
  }
  flush();
}

void TensorboardWriter::scalar(std::string_view tag, double value, std::int64_t step) {
  const Message point = Message().bytes(kValueTag, tag).float32(kValueSimpleValue, static_cast<float>(value));
  const Message summary = Message().bytes(kSummaryValue, point.encoded());
  write_record(event(step).bytes(kEventSummary, summary.encoded()).encoded());
}

/// [length u64][masked CRC of length u32][data][masked CRC of data u32], little-endian.
void TensorboardWriter::write_record(std::string_view data) {
  const std::string length = little_endian(static_cast<std::uint64_t>(data.size()));
  file_.write(length + little_endian(masked_crc32c(length)));
  file_.write(data);
  file_.write(little_endian(masked_crc32c(data)));
}

}  // namespace temper

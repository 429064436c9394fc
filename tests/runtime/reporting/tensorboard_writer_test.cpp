// The reader here is written apart from the writer: bit by bit where that has a table, field by field where that
// builds.
#include "runtime/reporting/tensorboard_writer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/error.h"
#include "runtime/reporting/crc32c.h"

namespace temper {
namespace {

/// Remainder by long division, a bit at a time.
std::uint32_t slow_crc32c(std::string_view bytes) {
  std::uint32_t remainder = 0xFFFFFFFF;
  for (const char c : bytes) {
    for (int bit = 0; bit < 8; ++bit) {
      const std::uint32_t out = (remainder ^ (static_cast<std::uint8_t>(c) >> bit)) & 1U;
      remainder = (remainder >> 1) ^ (out * 0x82F63B78U);
    }
  }
  return remainder ^ 0xFFFFFFFF;
}

template <typename T>
T take(std::string_view& bytes) {
  T value;
  if (bytes.size() < sizeof(T)) throw std::runtime_error("the bytes end early");
  std::memcpy(&value, bytes.data(), sizeof(T));
  bytes.remove_prefix(sizeof(T));
  return value;
}

std::uint64_t take_varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = take<std::uint8_t>(bytes);
    value |= static_cast<std::uint64_t>(byte & 127) << shift;
    if (byte < 128) return value;
  }
}

/// The data of every record; throws where a checksum is wrong.
std::vector<std::string> read_records(const std::filesystem::path& path) {
  std::stringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  const std::string all = content.str();
  std::string_view bytes = all;
  std::vector<std::string> records;
  const auto check = [](std::string_view data, std::uint32_t masked) {
    const std::uint32_t rotated = masked - 0xa282ead8U;
    if (((rotated >> 17) | (rotated << 15)) != slow_crc32c(data)) throw std::runtime_error("a checksum is wrong");
  };
  while (!bytes.empty()) {
    const std::string_view length_bytes = bytes.substr(0, 8);
    const auto length = take<std::uint64_t>(bytes);
    check(length_bytes, take<std::uint32_t>(bytes));
    const std::string_view data = bytes.substr(0, length);
    bytes.remove_prefix(length);
    check(data, take<std::uint32_t>(bytes));
    records.emplace_back(data);
  }
  return records;
}

/// One field of a protobuf message: numbers as their bits, else bytes.
struct WireField {
  std::uint64_t bits = 0;
  std::string bytes;
};

std::map<std::uint64_t, WireField> read_message(std::string_view message) {
  std::map<std::uint64_t, WireField> fields;
  while (!message.empty()) {
    const std::uint64_t key = take_varint(message);
    WireField& field = fields[key >> 3];
    switch (key & 7) {
      case 0:
        field.bits = take_varint(message);
        break;
      case 1:
        field.bits = take<std::uint64_t>(message);
        break;
      case 2: {
        const std::uint64_t length = take_varint(message);
        field.bytes = message.substr(0, length);
        message.remove_prefix(length);
        break;
      }
      default:
        field.bits = take<std::uint32_t>(message);
    }
  }
  return fields;
}

struct Point {
  std::string tag;
  float value = 0.0F;
  std::int64_t step = 0;
  bool operator==(const Point&) const = default;
};

Point read_point(std::string_view record) {
  auto event = read_message(record);
  auto value = read_message(read_message(event.at(5).bytes).at(1).bytes);
  Point point{value.at(1).bytes, 0.0F, static_cast<std::int64_t>(event.at(2).bits)};
  const auto bits = static_cast<std::uint32_t>(value.at(2).bits);
  std::memcpy(&point.value, &bits, sizeof(bits));
  return point;
}

class EventFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "temper-tensorboard-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
};

TEST(Crc32c, MatchesTheExamplesOfRfc3720) {
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43U);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(""), 0U);
}

TEST_F(EventFile, ScalarsAreReadBack) {
  TensorboardWriter writer(folder_ / "made" / "here");
  writer.scalar("train/loss", 4.875, 1);
  writer.scalar("train/learning_rate", 2e-4, 300);
  writer.scalar("validation/accuracy", 0.5, std::int64_t{1} << 40);
  writer.flush();
  const std::vector<std::string> records = read_records(writer.path());
  ASSERT_EQ(records.size(), 4U);
  EXPECT_EQ(read_message(records[0]).at(3).bytes, "brain.Event:2");
  EXPECT_EQ(read_point(records[1]), (Point{"train/loss", 4.875F, 1}));
  EXPECT_EQ(read_point(records[2]), (Point{"train/learning_rate", 2e-4F, 300}));
  EXPECT_EQ(read_point(records[3]), (Point{"validation/accuracy", 0.5F, std::int64_t{1} << 40}));
}

TEST_F(EventFile, AResumedRunStartsASessionAfterItsStep) {
  const TensorboardWriter writer(folder_, 40);
  auto session = read_message(read_records(writer.path()).at(1));
  EXPECT_EQ(session.at(2).bits, 41U);
  EXPECT_EQ(read_message(session.at(7).bytes).at(1).bits, 1U);
}

TEST_F(EventFile, EveryWriterHasAFileOfItsOwn) {
  const TensorboardWriter one(folder_);
  const TensorboardWriter two(folder_);
  EXPECT_NE(one.path(), two.path());
  EXPECT_EQ(one.path().filename().string().rfind("events.out.tfevents.", 0), 0U);
}

TEST_F(EventFile, AFolderThatCannotBeMadeIsNamed) {
  std::ofstream(folder_ / "file") << "in the way";
  try {
    const TensorboardWriter writer(folder_ / "file" / "logs");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find((folder_ / "file" / "logs").string()), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace temper

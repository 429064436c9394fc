// Changes picture files at random and reads them, their header and all: each must be read or refused with an Error.
// Built apart from the tests, with sanitizers (tests/fuzz/run_picture_fuzz.sh); what brings it down is left in the
// working folder as "crash-picture", and belongs into tests/data/pictures. Usage: picture_fuzz SECONDS SEED CASES.json
// FORMAT..., of PNG, JPEG, TIFF, DICOM, NIfTI: whose files of picture_cases.json are changed; none: all.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"
#include "data/pictures/decode.h"
#include "data/pictures/picture_format.h"
#include "data/tokenizer/base64.h"
#include "tests/fuzz/fuzz_program.h"

namespace temper {
namespace {

using Random = std::mt19937_64;

struct Sample {
  std::string file;
  std::string name;
  DecodeOptions options;
};

std::vector<Sample> samples_of(const std::filesystem::path& path, const std::set<std::string>& formats) {
  std::vector<Sample> samples;
  const auto all = nlohmann::json::parse(read_text_file(path));
  for (const char* part : {"cases", "refused"})
    for (const nlohmann::json& one : all.at(part)) {
      Sample sample{decode_base64(one.at("file").get<std::string>()).value(), one.at("name"), {}};
      if (!formats.empty() && !formats.contains(std::string(format_name(format_of_name(sample.name))))) continue;
      sample.options.frame = one.at("options").value("frame", 0);
      sample.options.slice = one.at("options").value("slice", 0);
      sample.options.axis = one.at("options").value("axis", 2);
      sample.options.most_pixels = 1 << 18;
      samples.push_back(std::move(sample));
    }
  return samples;
}

/// Numbers that lengths, sizes and places are tripped up by.
void write_odd_number(std::string& bytes, std::size_t at, Random& random) {
  constexpr std::uint64_t kOdd[] = {0,      1,          2,          0x7F,        0x80,        0xFF,
                                    0x7FFF, 0x8000,     0xFFFF,     0x7FFFFFFF,  0x80000000,  0xFFFFFFFF,
                                    60000,  0xFFFFFFF0, 0x40000000, 0x100000001, 0xFFFFFFFFFF};
  std::uint64_t value = kOdd[random() % std::size(kOdd)] + random() % 3 - 1;
  const std::size_t size = std::min<std::size_t>(std::size_t{1} << random() % 4, bytes.size() - at);
  const bool big_endian = random() % 2 == 0;
  for (std::size_t i = 0; i < size; ++i, value >>= 8)
    bytes[at + (big_endian ? size - 1 - i : i)] = static_cast<char>(value & 0xFF);
}

void change(std::string& bytes, const std::string& other, Random& random) {
  // Headers are where the lengths are.
  const bool early = random() % 2 == 0;
  for (std::uint64_t changes = 1 + random() % 6; changes > 0 && !bytes.empty(); --changes) {
    const std::size_t at = random() % (early ? std::min<std::size_t>(bytes.size(), 400) : bytes.size());
    switch (random() % 8) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
        break;
      case 2:
        bytes.erase(at, 1 + random() % 8);
        break;
      case 3:
        bytes.insert(at, std::string(1 + random() % 40, static_cast<char>(random())));
        break;
      case 4:
        if (random() % 4 == 0) bytes.resize(at);
        break;
      case 5: {
        const std::size_t from = random() % other.size();
        bytes.replace(at, random() % 64, other, from, 1 + random() % 64);
        break;
      }
      default:
        write_odd_number(bytes, at, random);
    }
  }
}

/// PNG's checksums would keep every change out.
void mend_png_checksums(std::string& bytes) {
  const auto number = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
  };
  for (std::size_t at = 8; at + 12 <= bytes.size();) {
    const std::size_t length = number(at);
    if (length > bytes.size() - at - 12) return;
    std::uint32_t sum = 0xFFFFFFFF;
    for (std::size_t i = at + 4; i < at + 8 + length; ++i) {
      sum ^= static_cast<unsigned char>(bytes[i]);
      for (int bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ (0xEDB88320U & (0U - (sum & 1U)));
    }
    sum = ~sum;
    for (std::size_t i = 0; i < 4; ++i) bytes[at + 8 + length + i] = static_cast<char>(sum >> (24 - 8 * i) & 0xFF);
    at += 12 + length;
  }
}

int fuzz(double seconds, std::uint64_t seed, const std::vector<std::filesystem::path>& arguments) {
  Random random(seed);
  std::set<std::string> formats;
  for (std::size_t i = 1; i < arguments.size(); ++i) formats.insert(arguments[i].string());
  const std::vector<Sample> samples = samples_of(arguments.at(0), formats);
  if (samples.empty()) throw Error("{}: no files of these formats", arguments.at(0).string());
  std::uint64_t files = 0;
  std::uint64_t read = 0;
  double slowest = 0;
  for (const double begin = processor_seconds(); processor_seconds() - begin < seconds; ++files) {
    const Sample& sample = samples[random() % samples.size()];
    std::string bytes = sample.file;
    change(bytes, samples[random() % samples.size()].file + std::string(1, '\0'), random);
    if (random() % 8 != 0 && bytes.starts_with("\x89PNG")) mend_png_checksums(bytes);
    std::ofstream("crash-picture", std::ios::binary) << bytes;
    // Of the file's own size, so that a byte too many is seen.
    const std::vector<char> exact(bytes.begin(), bytes.end());
    const auto file = std::as_bytes(std::span(exact));
    const double start = processor_seconds();
    try {
      picture_facts(file, sample.name, sample.options);
      const DecodedPicture decoded = decode_picture(file, sample.name, sample.options);
      const auto count = std::visit([](const auto& values) { return values.size(); }, decoded.picture.samples);
      if (count != static_cast<std::size_t>(decoded.picture.values())) std::abort();
      if (!(decoded.picture.black < decoded.picture.white)) std::abort();
      ++read;
    } catch (const Error&) {
    }
    const double taken = processor_seconds() - start;
    if (taken > slowest) {
      slowest = taken;
      std::ofstream("slowest-picture", std::ios::binary) << bytes;
    }
  }
  std::remove("crash-picture");
  std::printf("%llu files, %llu of them could be read; the slowest took %.2f s (slowest-picture)\n",
              static_cast<unsigned long long>(files), static_cast<unsigned long long>(read), slowest);
  return 0;
}

}  // namespace
}  // namespace temper

int main(int count, char** arguments) { return temper::fuzz_main(count, arguments, "picture_fuzz", temper::fuzz); }

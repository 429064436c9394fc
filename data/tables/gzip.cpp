#include "data/tables/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "base/error.h"

namespace temper {
namespace {

constexpr std::size_t kAlwaysAllowed = std::size_t{256} << 20;
constexpr std::size_t kLargestRatio = 200;  // English text comes to 3, a log of equal lines to 50; zeros to 1030

/// A stream of zlib's; its memory goes with it.
class Inflater {
 public:
  Inflater() {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    if (inflateInit2(&stream_, kGzipOnly) != Z_OK) throw Error("zlib cannot be started: out of memory");
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
};

}  // namespace

void unpack_gzip(std::span<const std::byte> bytes, const std::filesystem::path& name,
                 const std::function<void(std::span<const std::byte>)>& take) {
  const std::size_t most = std::max(kAlwaysAllowed, kLargestRatio * bytes.size());
  Inflater inflater;
  z_stream& stream = inflater.stream();
  std::vector<char> piece(std::size_t{1} << 18);
  std::size_t unpacked = 0;
  bool in_member = true;
  while (in_member || stream.avail_in > 0 || !bytes.empty()) {
    if (stream.avail_in == 0) {
      // zlib counts in 32 bits, and its input is not const by tradition only.
      const std::size_t count = std::min<std::size_t>(bytes.size(), std::numeric_limits<uInt>::max());
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data()));
      stream.avail_in = static_cast<uInt>(count);
      bytes = bytes.subspan(count);
    }
    if (!in_member) {
      // Zeros behind the last member are padding, as gzip itself takes them.
      if (*stream.next_in == 0) {
        ++stream.next_in;
        --stream.avail_in;
        continue;
      }
      if (inflateReset(&stream) != Z_OK) throw Error("{}: zlib cannot go on to the next part", name.string());
      in_member = true;
    }
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    const int status = inflate(&stream, Z_NO_FLUSH);
    const std::size_t count = piece.size() - stream.avail_out;
    take(std::as_bytes(std::span(piece)).first(count));
    unpacked += count;
    if (unpacked > most)
      throw Error(
          "{}: unpacks to more than {} MiB, over {} times its own size, which is no text; unpack it by hand if "
          "it is (gunzip)",
          name.string(), most >> 20, kLargestRatio);
    if (status == Z_STREAM_END) {
      in_member = false;
    } else if (status == Z_BUF_ERROR && stream.avail_in == 0 && bytes.empty()) {
      throw Error("{}: ends in the middle of its compressed data; copy or download it again", name.string());
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      throw Error("{}: cannot be unpacked as gzip: {}; copy or download it again", name.string(),
                  stream.msg != nullptr ? stream.msg : "damaged data");
    }
  }
}

}  // namespace temper

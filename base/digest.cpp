#include "base/digest.h"

#include <openssl/evp.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <memory>
#include <new>

#include "base/error.h"

namespace temper {
namespace {

void require_openssl(int status) {
  if (status != 1) throw Error("SHA-256 could not be computed: OpenSSL refused");
}

}  // namespace

struct Sha256::State {
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context{EVP_MD_CTX_new()};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  require_openssl(EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr));
}
Sha256::~Sha256() = default;

void Sha256::add(std::span<const std::byte> bytes) {
  require_openssl(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()));
}

std::string Sha256::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  require_openssl(EVP_DigestFinal_ex(state_->context.get(), digest.data(), &length));
  std::string digits;
  digits.reserve(2 * static_cast<std::size_t>(length));
  for (unsigned int i = 0; i < length; ++i) digits += fmt::format("{:02x}", digest[i]);
  return digits;
}

std::string sha256_hex(std::span<const std::byte> bytes) {
  Sha256 digest;
  digest.add(bytes);
  return digest.hex();
}

std::string sha256_hex(std::string_view text) { return sha256_hex(std::as_bytes(std::span(text))); }

std::string sha256_file(const std::filesystem::path& path) { return sha256_file(MappedFile(path), {}); }

std::string sha256_file(const MappedFile& file, const std::stop_token& stop) {
  Sha256 digest;
  constexpr std::size_t kPiece = std::size_t{16} << 20;
  for (std::span<const std::byte> left = file.bytes(); !left.empty();) {
    if (stop.stop_requested()) return {};
    const std::span<const std::byte> piece = left.first(std::min(kPiece, left.size()));
    digest.add(piece);
    file.forget_pages(piece);
    left = left.subspan(piece.size());
  }
  return digest.hex();
}

std::uint64_t xxh3(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

struct Xxh3::State {
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> xxh{XXH3_createState()};
};

Xxh3::Xxh3() : state_(std::make_unique<State>()) {
  if (!state_->xxh) throw std::bad_alloc();
  XXH3_64bits_reset(state_->xxh.get());
}
Xxh3::~Xxh3() = default;
void Xxh3::add(std::span<const std::byte> bytes) { XXH3_64bits_update(state_->xxh.get(), bytes.data(), bytes.size()); }
std::uint64_t Xxh3::value() const { return XXH3_64bits_digest(state_->xxh.get()); }

}  // namespace temper

#include "model/huggingface/pytorch_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "base/error.h"
#include "model/huggingface/json_object.h"
#include "model/huggingface/pickle.h"
#include "model/huggingface/zip_archive.h"

namespace temper {
namespace {

using Bytes = std::span<const std::byte>;

constexpr const char* kPytorchRemedy = "the file is damaged or cut short: download or save it again";
/// A pickle of 100,000 tensors is a quarter of this.
constexpr std::size_t kLongestPickle = std::size_t{1} << 26;
/// Bytes of copied tensors for each byte of the file. A weight is transposed once, and may be tied to another.
constexpr std::size_t kMostCopies = 2;

/// What files before PyTorch 1.6 begin with: a pickle of the number 0x1950a86a20f9469cfc6c, then one of 1001.
constexpr std::array<unsigned char, 15> kOldMagic = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
                                                     0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e};

bool begins_as_old_file(Bytes bytes) {
  return bytes.size() > kOldMagic.size() && std::memcmp(bytes.data(), kOldMagic.data(), kOldMagic.size()) == 0;
}

/// The strides of a tensor that lies row by row; extents of one may have any.
bool is_contiguous(const PickledTensor& tensor) {
  std::int64_t expected = 1;
  for (std::size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected) return false;
    expected *= std::max<std::int64_t>(tensor.shape[i], 1);
  }
  return true;
}

/// One more than the highest element that a tensor with elements reads; none where it cannot be counted.
std::optional<std::int64_t> end_of(const PickledTensor& tensor) {
  std::int64_t last = tensor.offset;
  bool overflow = false;
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
    std::int64_t reach = 0;
    overflow = __builtin_mul_overflow(tensor.shape[i] - 1, tensor.strides[i], &reach) || overflow;
    overflow = __builtin_add_overflow(last, reach, &last) || overflow;
  }
  overflow = __builtin_add_overflow(last, 1, &last) || overflow;
  return overflow ? std::nullopt : std::optional(last);
}

/// The elements one after the other.
std::vector<std::byte> gather(const PickledTensor& tensor, Bytes storage, std::int64_t count, std::size_t width) {
  std::vector<std::byte> rows(static_cast<std::size_t>(count) * width);
  std::vector<std::int64_t> index(tensor.shape.size(), 0);
  std::int64_t from = tensor.offset;
  for (std::size_t to = 0; to < rows.size(); to += width) {
    std::memcpy(rows.data() + to, storage.data() + static_cast<std::size_t>(from) * width, width);
    for (std::size_t i = index.size(); i-- > 0;) {
      from += tensor.strides[i];
      if (++index[i] < tensor.shape[i]) break;
      from -= tensor.strides[i] * tensor.shape[i];
      index[i] = 0;
    }
  }
  return rows;
}

/// Adds a tensor whose storage has these bytes. `copied`: bytes of all copies so far.
void add_tensor(TensorFile& file, PickledTensor tensor, StoredType type, Bytes storage, std::size_t& copied) {
  // An extent of one is never stepped over: its stride may be any number, one too large to add included.
  for (std::size_t i = 0; i < tensor.shape.size(); ++i)
    if (tensor.shape[i] == 1) tensor.strides[i] = 0;
  const std::string path = file.mapped.path().string();
  const std::string where = fmt::format("{}: tensor {}", path, in_quotes(tensor.name));
  const std::size_t width = size_in_bytes(type);
  const std::optional<std::int64_t> count = element_count(tensor.shape);
  if (!count) throw Error("{}: has more elements than can be counted in 63 bits; {}", where, kPytorchRemedy);
  TensorView view{tensor.name, type, tensor.shape, {}, path};
  if (*count > 0) {
    const auto elements = static_cast<std::int64_t>(storage.size() / width);
    const std::optional<std::int64_t> end = end_of(tensor);
    if (!end || *end > elements)
      throw Error("{}: reaches beyond the {} elements of its storage; {}", where, elements, kPytorchRemedy);
    if (is_contiguous(tensor)) {
      view.bytes =
          storage.subspan(static_cast<std::size_t>(tensor.offset) * width, static_cast<std::size_t>(*count) * width);
    } else {
      // A view that repeats its storage would grow without bound.
      if (*count > elements)
        throw Error("{}: has {} elements out of a storage of {}; save the model with tensors of their own", where,
                    *count, elements);
      copied += static_cast<std::size_t>(*count) * width;
      if (copied > kMostCopies * file.mapped.bytes().size())
        throw Error(
            "{}: with it, tensors that do not lie row by row need more than {} times the {} bytes of the file; save "
            "the model with tensors of their own",
            where, kMostCopies, file.mapped.bytes().size());
      view.bytes = file.copies.emplace_back(gather(tensor, storage, *count, width));
    }
  }
  file.tensors.emplace(tensor.name, std::move(view));
}

void require_short(Bytes pickle, const std::string& path) {
  if (pickle.size() > kLongestPickle)
    throw Error("{}: its pickle has {} bytes, expected at most {}; save the weights alone", path, pickle.size(),
                kLongestPickle);
}

std::string text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

void read_zip(TensorFile& file) {
  const std::string path = file.mapped.path().string();
  const std::map<std::string, Bytes> entries = zip_entries(file.mapped.bytes(), path);
  const auto pickle_entry = std::find_if(entries.begin(), entries.end(),
                                         [](const auto& entry) { return entry.first.ends_with("/data.pkl"); });
  if (pickle_entry == entries.end())
    throw Error("{}: is an archive without data.pkl, expected what torch.save writes", path);
  const std::string root = pickle_entry->first.substr(0, pickle_entry->first.size() - std::strlen("data.pkl"));
  const auto byte_order = entries.find(root + "byteorder");
  if (byte_order != entries.end() && text_of(byte_order->second) != "little")
    throw Error("{}: its numbers are {}-endian, expected little-endian; save the model on a machine of that kind", path,
                in_quotes(text_of(byte_order->second)));
  require_short(pickle_entry->second, path);
  PickledTensors pickled = Pickle(pickle_entry->second, path + ": data.pkl").tensors();
  std::size_t copied = 0;
  for (PickledTensor& tensor : pickled.tensors) {
    const PickledStorage& storage = pickled.storages[tensor.storage];
    const auto entry = entries.find(root + "data/" + storage.key);
    if (entry == entries.end())
      throw Error("{}: tensor {} lies in the storage {}, which the archive lacks; {}", path, in_quotes(tensor.name),
                  in_quotes(storage.key), kPytorchRemedy);
    add_tensor(file, std::move(tensor), storage.type, entry->second, copied);
  }
}

/// The number of protocol, the machine, the tensors, the keys of the storages; then each storage, its length before it.
void read_old_file(TensorFile& file) {
  const std::string path = file.mapped.path().string();
  Bytes rest = file.mapped.bytes().subspan(kOldMagic.size());
  const auto next = [&](const char* what) {
    Pickle pickle(rest.first(std::min(rest.size(), kLongestPickle)), fmt::format("{}: {}", path, what));
    rest = rest.subspan(pickle.size());
    return pickle;
  };
  next("the number of its protocol");
  if (next("what it says of the machine").truth("little_endian") != std::optional(true))
    throw Error("{}: its numbers are not little-endian; save the model on a machine of that kind", path);
  PickledTensors pickled = next("the tensors").tensors();
  const std::optional<std::vector<std::string>> keys = next("the list of storages").texts();
  if (!keys) throw Error("{}: has no list of its storages; {}", path, kPytorchRemedy);
  std::map<std::string, StoredType, std::less<>> types;
  for (const PickledStorage& storage : pickled.storages) types.emplace(storage.key, storage.type);
  std::map<std::string, Bytes, std::less<>> storages;
  for (const std::string& key : *keys) {
    const auto type = types.find(key);
    std::int64_t elements = -1;
    if (type == types.end() || rest.size() < sizeof(elements))
      throw Error("{}: the storage {} is {}; {}", path, in_quotes(key),
                  type == types.end() ? "not that of a tensor" : "not there", kPytorchRemedy);
    std::memcpy(&elements, rest.data(), sizeof(elements));
    rest = rest.subspan(sizeof(elements));
    const std::size_t width = size_in_bytes(type->second);
    if (elements < 0 || static_cast<std::uint64_t>(elements) > rest.size() / width)
      throw Error("{}: the storage {} is said to have {} elements, but {} bytes are left; {}", path, in_quotes(key),
                  elements, rest.size(), kPytorchRemedy);
    storages.emplace(key, rest.first(static_cast<std::size_t>(elements) * width));
    rest = rest.subspan(static_cast<std::size_t>(elements) * width);
  }
  std::size_t copied = 0;
  for (PickledTensor& tensor : pickled.tensors) {
    const PickledStorage& storage = pickled.storages[tensor.storage];
    const auto found = storages.find(storage.key);
    if (found == storages.end())
      throw Error("{}: tensor {} lies in the storage {}, which the file lacks; {}", path, in_quotes(tensor.name),
                  in_quotes(storage.key), kPytorchRemedy);
    add_tensor(file, std::move(tensor), storage.type, found->second, copied);
  }
}

}  // namespace

TensorFile open_pytorch_file(const std::filesystem::path& path) {
  TensorFile file{MappedFile(path), {}};
  if (is_zip_archive(file.mapped.bytes())) {
    read_zip(file);
  } else if (begins_as_old_file(file.mapped.bytes())) {
    read_old_file(file);
  } else {
    throw Error(
        "{}: is not what torch.save writes (neither an archive nor a pickle with its mark); download or save it "
        "again",
        path.string());
  }
  return file;
}

}  // namespace temper

#include "runtime/checkpoints/base_model_digest.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "runtime/environment/reader_wait.h"

namespace temper {

BaseModelDigest::BaseModelDigest(const std::filesystem::path& model_folder, Communicator& communicator,
                                 bool initialized)
    : communicator_(communicator) {
  if (communicator.rank() == 0)
    files_.emplace(initialized ? WeightFiles::none(model_folder) : WeightFiles::open(model_folder));
}

void BaseModelDigest::begin() {
  if (!files_ || result_.valid()) return;
  std::packaged_task<std::string(std::stop_token)> task(
      [&files = *files_](const std::stop_token& stop) { return files.digest(stop); });
  result_ = task.get_future();
  thread_ = std::jthread(std::move(task));
}

const std::string& BaseModelDigest::get() {
  if (!digest_.empty()) return digest_;
  begin();
  wait_for_readers(
      communicator_, files_ ? &thread_ : nullptr, [this] { return !files_ || is_ready(result_); },
      "the digest of the base model");
  std::vector<std::byte> shared(64);
  if (files_) {
    std::ranges::transform(result_.get(), shared.begin(), [](char c) { return static_cast<std::byte>(c); });
    thread_.join();
    files_.reset();
  }
  communicator_.broadcast(shared, 0);
  digest_.assign(reinterpret_cast<const char*>(shared.data()), shared.size());
  return digest_;
}

}  // namespace temper

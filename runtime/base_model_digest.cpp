#include "runtime/base_model_digest.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "model/huggingface/weight_files.h"

namespace temper {

BaseModelDigest::BaseModelDigest(std::filesystem::path model_folder, Communicator& communicator)
    : model_folder_(std::move(model_folder)), communicator_(communicator) {}

void BaseModelDigest::begin() {
  if (communicator_.rank() != 0 || result_.valid() || !digest_.empty()) return;
  std::packaged_task<std::string(std::stop_token)> task(
      [folder = model_folder_](const std::stop_token& stop) { return WeightFiles::open(folder).digest(stop); });
  result_ = task.get_future();
  thread_ = std::jthread(std::move(task));
}

const std::string& BaseModelDigest::get() {
  if (!digest_.empty()) return digest_;
  begin();
  std::vector<std::byte> shared(64);
  if (communicator_.rank() == 0)
    std::ranges::transform(result_.get(), shared.begin(), [](char c) { return static_cast<std::byte>(c); });
  communicator_.broadcast(shared, 0);
  digest_.assign(reinterpret_cast<const char*>(shared.data()), shared.size());
  return digest_;
}

}  // namespace temper

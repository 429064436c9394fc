// The SHA-256 of the base model's weights, which a run's lineage names (WeightFiles::digest()). It requires reading all
// of their bytes, so one rank does that, in a background thread during training.
#pragma once

#include <filesystem>
#include <future>
#include <optional>
#include <string>
#include <thread>

#include "comm/communicator.h"
#include "model/huggingface/weight_files.h"

namespace temper {

class BaseModelDigest {
 public:
  /// Nothing is read yet, but it will be of the files that lie there now, whatever becomes of their names.
  /// `initialized`: the model has no weights there.
  BaseModelDigest(const std::filesystem::path& model_folder, Communicator& communicator, bool initialized = false);

  /// Reads on from here in the background, on one rank.
  void begin();
  /// Collective. Begins where that has not happened, and waits, however long it takes to read.
  const std::string& get();

 private:
  Communicator& communicator_;
  std::optional<WeightFiles> files_;  ///< until they have been read
  std::string digest_;
  std::future<std::string> result_;
  std::jthread thread_;  // last, so that it ends before what it uses
};

}  // namespace temper

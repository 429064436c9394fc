// A file of tensors, whatever its format: mapped, with a view of each tensor.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "model/huggingface/safetensors.h"

namespace temper {

struct TensorFile {
  MappedFile mapped;
  std::map<std::string, TensorView> tensors;        ///< views into `mapped` or into `copies`
  std::vector<std::vector<std::byte>> copies = {};  ///< of tensors that do not lie row by row in the file
};

}  // namespace temper

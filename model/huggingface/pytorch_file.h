// pytorch_model.bin: what torch.save writes of a state_dict(). Since PyTorch 1.6 a zip archive of a pickle, which tells
// of the tensors, and of one entry for each storage; before, a row of pickles with the storages behind them. The pickle
// is read as data (pickle.h): nothing in the file is executed.
#pragma once

#include <filesystem>

#include "model/huggingface/tensor_file.h"

namespace temper {

/// Views of the file's tensors; those whose strides are not those of their shape (a transposed one, say) are copied.
/// Throws Error naming the file, the tensor and what to do: for a damaged file, one that asks for more than weights
/// need, tensors beyond their storages, types that have no place here, and big-endian storages.
TensorFile open_pytorch_file(const std::filesystem::path& path);

}  // namespace temper

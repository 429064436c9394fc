// Weights where one that reads all of them for each token reads them fastest.
#pragma once

#include <cstdint>

#include "model/model.h"
#include "tensor/device.h"

namespace temper {

/// Copies what lies in mapped files and is read as it lies there, but for what is quantised, into the device's own
/// memory, which is asked for on huge pages: the pages of a file are small, at the end of each the processor stops
/// reading ahead, and one core reads a third fewer bytes in a second. The bits stay what they were. Nothing happens
/// where `processes` such copies would take more than half of the memory that is available on the node, nor on a device
/// that has memory of its own. False where nothing was copied.
bool bring_weights_near(const Model& model, Device& device, std::int64_t processes, std::int64_t available_bytes);

}  // namespace temper

// The device that a test program tests: the CPU, or in the programs of tests/simt and tests/gpu the CUDA device.
#pragma once

#include <memory>

#include "tensor/device.h"

namespace temper {

std::unique_ptr<Device> make_test_device();

}  // namespace temper

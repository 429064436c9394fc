// Stands in for the CUDA toolkit's header of this name where kernels are compiled as C++ for the emulator.
#pragma once

#include "simt/device_code.h"
#include "simt/runtime_api.h"
#include "simt/vector_types.h"

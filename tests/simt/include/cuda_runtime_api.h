// Stands in for the CUDA toolkit's header of this name.
#pragma once

#include "simt/runtime_api.h"

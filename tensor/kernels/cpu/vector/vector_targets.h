// The instruction sets that every vector kernel is compiled for. Include this before any header of Highway.
#pragma once

#include "base/vector_targets.h"

// The instruction sets that vector code is compiled for. Include this before any header of Highway.
//
// A file is compiled once for each set, and the best one that the machine has is chosen at run time. On x86: AVX-512,
// AVX2, and plain code for anything older; the sets in between would only lengthen the build. Scalable vectors are off
// because the code keeps vectors in arrays.
#pragma once

#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)

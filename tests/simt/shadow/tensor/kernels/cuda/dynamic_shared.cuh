// Stands in for the header of this name where kernels are compiled for the emulator.
#pragma once

namespace simt {
/// The dynamic shared memory of the running block; every block finds it full of NaNs.
unsigned char* dynamic_shared();
}  // namespace simt

namespace temper {

inline unsigned char* dynamic_shared() { return simt::dynamic_shared(); }

}  // namespace temper

#include "runtime/hdf5_handle.h"

#include <hdf5.h>

namespace temper {

void silence_hdf5() { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

}  // namespace temper

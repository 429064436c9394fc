#include "tensor/cuda_device.h"
#include "tests/test_device.h"
#include "tests/world.h"

namespace temper {

std::unique_ptr<Device> make_test_device() { return make_cuda_device(world_communicator().topology().local_rank); }

}  // namespace temper

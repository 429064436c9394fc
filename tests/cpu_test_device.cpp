#include "tests/test_device.h"

namespace temper {

std::unique_ptr<Device> make_test_device() { return make_cpu_device(); }

}  // namespace temper

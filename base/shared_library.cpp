#include "base/shared_library.h"

#include <dlfcn.h>

#include "base/error.h"

namespace temper {

SharedLibrary::SharedLibrary(std::string name)
    : name_(std::move(name)), handle_(::dlopen(name_.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  // dlerror() is asked now: later it tells of something else.
  if (handle_ == nullptr)
    if (const char* text = ::dlerror(); text != nullptr) problem_ = text;
}

void* SharedLibrary::symbol(const char* name) const {
  if (handle_ == nullptr)
    throw Error("{} cannot be loaded ({}); install it, or put its folder into LD_LIBRARY_PATH", name_, problem_);
  void* address = ::dlsym(handle_, name);
  if (address == nullptr) throw Error("{} has no function '{}'; a newer version is needed", name_, name);
  return address;
}

}  // namespace temper

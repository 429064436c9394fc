// A shared library that is loaded when it is first needed: a program that can use a large library does not have to load
// it otherwise, and runs even if it is not installed.
#pragma once

#include <string>

namespace temper {

class SharedLibrary {
 public:
  /// `name` as the dynamic linker looks for it: "libnccl.so.2". It stays loaded until the program ends.
  explicit SharedLibrary(std::string name);

  /// The function of this name. Throws Error if the library cannot be loaded, or lacks it.
  template <typename Function>
  [[nodiscard]] Function* function(const char* name) const {
    return reinterpret_cast<Function*>(symbol(name));
  }

 private:
  [[nodiscard]] void* symbol(const char* name) const;

  std::string name_;
  void* handle_;
  std::string problem_;
};

}  // namespace temper

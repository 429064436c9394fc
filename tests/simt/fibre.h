// Fibres: stacks that hand the processor to one another. Each thread of a block that has to wait runs on one.
#pragma once

#include <cstddef>

namespace simt {

class Fibre {
 public:
  /// The stack that the caller runs on.
  Fibre() = default;
  /// A stack of its own; `body` begins at the first switch to it and must never return.
  explicit Fibre(void (*body)());
  Fibre(const Fibre&) = delete;
  Fibre& operator=(const Fibre&) = delete;
  ~Fibre();

  /// Leaves `from`, which must be the running fibre, and goes on where `to` left off.
  static void switch_from_to(Fibre& from, Fibre& to);

 private:
  static void begin();

  void (*body_)() = nullptr;
  void* stack_pointer_ = nullptr;
  std::byte* mapping_ = nullptr;
  /// What the sanitizers want to know of a stack.
  const void* stack_bottom_ = nullptr;
  std::size_t stack_bytes_ = 0;
  [[maybe_unused]] void* fake_stack_ = nullptr;
  [[maybe_unused]] void* tsan_fibre_ = nullptr;
};

}  // namespace simt

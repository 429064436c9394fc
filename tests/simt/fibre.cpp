// Note: a switch saves the registers that a called function must preserve and no more; to the compiler it is a call
// like any other.
#include "tests/simt/fibre.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "tests/simt/sanitizers.h"

#ifdef TEMPER_ADDRESS_SANITIZER
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef TEMPER_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
#endif

#ifdef __x86_64__
extern "C" void temper_simt_switch(void** saved_stack_pointer, void* next_stack_pointer);
asm(R"(
  .text
  .p2align 4
  .globl temper_simt_switch
  .type temper_simt_switch, @function
temper_simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size temper_simt_switch, .-temper_simt_switch
)");
#else
#include <ucontext.h>
#endif

namespace simt {
namespace {

constexpr std::size_t kStackBytes = 256 * 1024;
constexpr std::size_t kGuardBytes = 4096;

Fibre* left = nullptr;     ///< the fibre that the last switch came from
Fibre* entered = nullptr;  ///< the fibre that it went to

#ifndef __x86_64__
void temper_simt_switch(void** saved, void* next) {
  ucontext_t here;
  *saved = &here;
  swapcontext(&here, static_cast<ucontext_t*>(next));
}
#endif

}  // namespace

Fibre::Fibre(void (*body)()) : body_(body) {
  void* mapping = mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED || mprotect(mapping, kGuardBytes, PROT_NONE) != 0) {
    std::perror("simt: no memory for the stack of a thread");
    std::abort();
  }
  mapping_ = static_cast<std::byte*>(mapping);
  stack_bottom_ = mapping_ + kGuardBytes;
  // Stacks whose tops lie a multiple of 4096 apart would share the same few lines of the first-level cache.
  static std::size_t made = 0;
  stack_bytes_ = kStackBytes - (made++ % 32) * 128;
#ifdef __x86_64__
  // Six registers, the address that the first switch returns to, and no return address above it: to `begin` it looks
  // as if it had been called.
  auto** top = reinterpret_cast<void**>(mapping_ + kGuardBytes + stack_bytes_) - 1;
  top[0] = nullptr;
  top[-1] = reinterpret_cast<void*>(&Fibre::begin);
  stack_pointer_ = top - 7;
#else
  auto* context = reinterpret_cast<ucontext_t*>(mapping_ + kGuardBytes + stack_bytes_ - 4096);
  stack_bytes_ -= 4096;
  getcontext(context);
  context->uc_stack.ss_sp = mapping_ + kGuardBytes;
  context->uc_stack.ss_size = stack_bytes_;
  context->uc_link = nullptr;
  makecontext(context, &Fibre::begin, 0);
  stack_pointer_ = context;
#endif
#ifdef TEMPER_THREAD_SANITIZER
  tsan_fibre_ = __tsan_create_fiber(0);
#endif
}

Fibre::~Fibre() {
#ifdef TEMPER_THREAD_SANITIZER
  if (mapping_ != nullptr) __tsan_destroy_fiber(tsan_fibre_);
#endif
  if (mapping_ != nullptr) munmap(mapping_, kGuardBytes + kStackBytes);
}

void Fibre::switch_from_to(Fibre& from, Fibre& to) {
  left = &from;
  entered = &to;
#ifdef TEMPER_ADDRESS_SANITIZER
  __sanitizer_start_switch_fiber(&from.fake_stack_, to.stack_bottom_, to.stack_bytes_);
#endif
#ifdef TEMPER_THREAD_SANITIZER
  if (from.mapping_ == nullptr) from.tsan_fibre_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(to.tsan_fibre_, 0);
#endif
  temper_simt_switch(&from.stack_pointer_, to.stack_pointer_);
#ifdef TEMPER_ADDRESS_SANITIZER
  __sanitizer_finish_switch_fiber(from.fake_stack_, &left->stack_bottom_, &left->stack_bytes_);
#endif
}

void Fibre::begin() {
  Fibre* const self = entered;
#ifdef TEMPER_ADDRESS_SANITIZER
  __sanitizer_finish_switch_fiber(nullptr, &left->stack_bottom_, &left->stack_bytes_);
#endif
  self->body_();
  std::abort();
}

}  // namespace simt

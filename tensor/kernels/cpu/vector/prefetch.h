// Prefetches the cache line at an address for writing, so that no other core keeps a copy. __builtin_prefetch says so
// too, but compilers take it for a read unless every processor in question is known to have the instruction; those of
// x86 that do not have it do nothing.
#pragma once

namespace temper {

inline void prefetch_for_writing(const void* address) {
#if defined(__x86_64__)
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(address)));
#else
  __builtin_prefetch(address, 1, 3);
#endif
}

}  // namespace temper

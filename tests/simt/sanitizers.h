// Which sanitizers this is compiled with, named in one way for both compilers.
#pragma once

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TEMPER_ADDRESS_SANITIZER 1
#endif
#if __has_feature(thread_sanitizer)
#define TEMPER_THREAD_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(TEMPER_ADDRESS_SANITIZER)
#define TEMPER_ADDRESS_SANITIZER 1
#endif
#if defined(__SANITIZE_THREAD__) && !defined(TEMPER_THREAD_SANITIZER)
#define TEMPER_THREAD_SANITIZER 1
#endif

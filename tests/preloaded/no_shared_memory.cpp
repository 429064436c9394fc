// A node whose /dev/shm is full: whoever asks how much room it has is told that there is none.
#include <dlfcn.h>
#include <sys/statvfs.h>

#include <cstring>

extern "C" int statvfs(const char* path, struct statvfs* found) {
  using Statvfs = int (*)(const char*, struct statvfs*);
  const int status = reinterpret_cast<Statvfs>(dlsym(RTLD_NEXT, "statvfs"))(path, found);
  if (status == 0 && std::strcmp(path, "/dev/shm") == 0) found->f_bavail = 0;
  return status;
}

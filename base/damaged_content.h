// Content of a file that does not fit its checksums: the one failure of reading that an older file makes up for. A file
// that cannot be read (a permission, a lock, too many open files, an input/output error) may be whole all the same.
#pragma once

#include "base/error.h"

namespace temper {

class DamagedContent : public Error {
 public:
  explicit DamagedContent(const std::string& sentence) : Error(ErrorKind::failure, sentence) {}
};

}  // namespace temper

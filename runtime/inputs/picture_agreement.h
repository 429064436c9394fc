// That all ranks see the same pictures, whose files no one compares as a whole, and what each has to say of its own.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "data/images/image_source.h"
#include "data/tables/table_source.h"

namespace temper {

/// Files of a kind that a message names.
inline constexpr std::size_t kPicturesNamed = 5;

/// Collective. Throws Error on all ranks where they found other pictures, labels or groups under the same names.
void require_same_rows(const ImageRows& rows, Communicator& communicator);
/// Collective; the same of folders of pictures before they are read. Lists of them are compared as files are
/// (runtime/environment/host_agreement.h).
void require_same_pictures(const TableSource& table, Communicator& communicator);

/// Collective. Looks for the files that tables list, each rank for its share. Throws Error on all ranks where some are
/// missing, with the first ones' lines and how many they are.
void require_listed_files(const ImageRows& rows, Communicator& communicator);

/// Collective. What ranks have to say, each sentence once, in the order of the ranks.
std::vector<std::string> sentences_of_all(const std::vector<std::string>& mine, Communicator& communicator);

}  // namespace temper

// From the rows that each rank has tokenised to one store of all of them on every node.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "comm/communicator.h"
#include "data/text/token_spool.h"
#include "data/token_store.h"

namespace temper {

/// A file of the token cache.
struct CachedRows {
  std::filesystem::path folder;
  std::string key;
};

/// Collective. The rows that an earlier run has left in the cache; nothing where a node lacks them.
std::optional<TokenStore> find_shared_rows(const CachedRows& cached, Communicator& communicator);

/// Collective; where a node's ranks share memory, freeing the last copy is, too. The rows of all ranks, in the order of
/// the ranks. They go into the cache if `cached` is given, and else, or if it does not take them (which `say` is told),
/// into memory that the ranks of a node share, or, where that is too small, into a temporary file without a name.
TokenStore share_rows(const TokenSpool& mine, const std::optional<CachedRows>& cached, Communicator& communicator,
                      const std::function<void(const std::string&)>& say);

}  // namespace temper

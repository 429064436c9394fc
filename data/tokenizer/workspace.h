// Scratch memory for encoding a text, reused between texts. A thread takes a workspace for as long as it encodes one
// text, so nothing is allocated per word and no lock is held while encoding.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/word_cache.h"

namespace temper {

struct Workspace {
  static constexpr std::size_t kWords = 512;  // at a time, so that they stay in the innermost cache

  Workspace() { words.reserve(kWords); }

  std::vector<TokenFinder::Piece> pieces;
  std::vector<TokenFinder::Piece> normalized_pieces;
  std::string normalized;
  std::string prepared;
  std::vector<std::string_view> words;
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> second_ids;
  WordCache cache;
};

class WorkspacePool {
 public:
  /// A workspace until the end of a scope.
  class Lease {
   public:
    Lease(WorkspacePool& pool, std::unique_ptr<Workspace> workspace) : pool_(pool), workspace_(std::move(workspace)) {}
    ~Lease() { pool_.give_back(std::move(workspace_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Workspace& operator*() const { return *workspace_; }
    Workspace* operator->() const { return workspace_.get(); }

   private:
    WorkspacePool& pool_;
    std::unique_ptr<Workspace> workspace_;
  };

  Lease take() {
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        std::unique_ptr<Workspace> workspace = std::move(free_.back());
        free_.pop_back();
        return {*this, std::move(workspace)};
      }
    }
    return {*this, std::make_unique<Workspace>()};
  }

 private:
  void give_back(std::unique_ptr<Workspace> workspace) {
    // One huge text shall not hold its memory forever.
    constexpr std::size_t kKept = std::size_t{4} << 20;
    if (workspace->normalized.capacity() > kKept) workspace->normalized = std::string();
    if (workspace->prepared.capacity() > kKept) workspace->prepared = std::string();
    if (workspace->words.capacity() > kKept / sizeof(std::string_view)) {
      workspace->words = std::vector<std::string_view>();
      workspace->words.reserve(Workspace::kWords);
    }
    if (workspace->ids.capacity() > kKept) workspace->ids = std::vector<std::int32_t>();
    if (workspace->second_ids.capacity() > kKept) workspace->second_ids = std::vector<std::int32_t>();
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(workspace));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<Workspace>> free_;
};

}  // namespace temper

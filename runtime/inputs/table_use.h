// How eval and predict read a table: by their options, else as in the model's training, else by defaults.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "data/images/augmentation.h"
#include "data/tables/table.h"
#include "data/tables/table_reader.h"
#include "runtime/inputs/picture_requests.h"
#include "runtime/inputs/trained_use.h"

namespace temper {

/// What the user asked for; what is absent is decided by the model.
struct TableRequests {
  std::optional<std::string> text;
  std::optional<std::string> text_pair;  ///< empty: one text per row
  std::vector<std::string> label;
  std::optional<std::int64_t> max_length;
  std::optional<double> threshold;
  std::optional<std::int64_t> stride;     ///< between windows of running text; 0: pieces side by side
  std::string views = "none";             ///< of each picture, whose outputs are averaged: none, flip, five-crops
  std::optional<std::string> documents;   ///< what is a document in a .txt file
  std::optional<std::int64_t> resamples;  ///< from which intervals of the measures are computed; 0: no intervals
  std::int64_t resample_seed = 0;
  std::optional<std::string> group;  ///< column of what pictures belong to, over which intervals are; empty: none
  PictureRequests pictures = {};
};

/// Which columns of a table are read, and how.
struct TableUse {
  std::string text = "text";
  std::string text_pair;
  std::vector<std::string> label;  ///< empty: the rows have no labels
  bool label_listed = false;       ///< one column per label
  std::string group;               ///< column of what pictures belong to; empty: each is by itself
  std::int64_t max_length = 128;
  double threshold = 0.5;
  std::int64_t stride = 0;
  std::string pack = "documents";
  std::string long_documents = "split";
  std::string end_token = "tokenizer";
  std::optional<ConversationUse> conversations;
  std::optional<ImageUse> images;
  bool skip_unreadable = false;  ///< of pictures; what is read has a row less for each
  std::vector<PictureView> views{PictureView::whole};
  std::int64_t masking_seed = 0;
  std::int64_t resamples = 0;
  std::int64_t resample_seed = 0;
};

/// The text column of a table that has no other, standard input.
std::string text_column(const TableRequests& requests, const std::optional<TrainedUse>& trained, const TaskSpec& task);

/// The rows that names stand for (data/tables/table_reader.h, data/images/picture_table.h), for a model of this task.
/// Of images it is collective, and throws Error on all ranks where these see other pictures.
std::unique_ptr<TableSource> open_rows(std::span<const std::string> names, const TableRequests& requests,
                                       const std::optional<TrainedUse>& trained, const TaskSpec& task, TextUnit unit,
                                       Communicator& communicator);

/// The files that hold the rows of a name, before it is known what model reads them.
std::vector<std::filesystem::path> files_of_rows(const std::string& name);
std::vector<std::filesystem::path> files_of_rows(std::span<const std::string> names);
/// What of a folder is not read, a sentence each.
std::vector<std::string> unread_row_notes(std::span<const std::string> names, const TaskSpec& task);

/// What a document is in a .txt file, as data.documents has it.
std::string document_unit(const TableRequests& requests, const std::optional<TrainedUse>& trained);

/// `positions`: of the model, the most tokens that it takes. `labelled`: the rows' labels are read (eval). Where the
/// table lacks the column by which the model was trained but has one of the default name, that is taken. Where it lacks
/// the column of groups, there are none. One line through `say` tells what differs from the training. Throws Error
/// where a second text is missing that the model was trained with, and a usage Error for an option that has no effect
/// on such a file or model, and for windows that would leave tokens between them.
TableUse resolve(const TableRequests& requests, const std::optional<TrainedUse>& trained, const TaskSpec& task,
                 std::int64_t positions, const Table& table, bool labelled,
                 const std::function<void(const std::string&)>& say);

}  // namespace temper

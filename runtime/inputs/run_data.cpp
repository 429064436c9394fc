#include "runtime/inputs/run_data.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>

#include "base/counted.h"
#include "base/error.h"
#include "base/name_list.h"
#include "data/tables/table_reader.h"
#include "data/text/counting_rows.h"
#include "data/text/cut_rows.h"
#include "data/text/masking.h"
#include "data/text/token_cache.h"
#include "data/text/token_spool.h"
#include "runtime/inputs/chat_data.h"
#include "runtime/inputs/class_weights.h"
#include "runtime/inputs/shared_rows.h"

namespace temper {
namespace {

constexpr std::int64_t kRowsAtATime = 16384;

std::filesystem::path cache_folder(const Configuration& configuration) {
  if (!configuration.data.cache_dir.empty()) return configuration.data.cache_dir;
  return std::filesystem::path(configuration.output.dir) / "cache";
}

/// Throws Error where rows may have no label and none has one: there is nothing to learn.
void require_some_label(const TokenStore& train, const std::filesystem::path& file, const ColumnChoice& columns,
                        LabelKind kind) {
  bool none = kind == LabelKind::multi_label || kind == LabelKind::token_class;
  const auto look_for_one = [&](const auto& array, auto nothing) {
    train.scan(array, [&](auto piece, std::size_t) {
      return none = std::all_of(piece.begin(), piece.end(), [&](auto value) { return value == nothing; });
    });
  };
  if (kind == LabelKind::multi_label) look_for_one(train.targets(), 0.0F);
  if (kind == LabelKind::token_class) look_for_one(train.classes(), kUnlabelled);
  if (none && train.rows() > 0)
    throw Error("{}: no training row has a label in column{} {}; check data.label", file.string(),
                columns.indicators.size() > 1 ? "s" : "",
                columns.indicators.empty() ? quoted_name(columns.label) : name_list(columns.indicators));
}

/// Which tokens a task masks, by id; nothing where it masks none.
std::optional<std::vector<bool>> maskable_of(const RowReading& reading) {
  if (!reading.task.masks_tokens) return std::nullopt;
  return maskable_tokens(masking_vocabulary(reading.tokenizer, reading.model.vocabulary_size));
}

/// Throws Error where no row has a token that could count: a loss of nothing would look like a perfect one.
void require_some_lesson(const TokenStore& train, const std::vector<bool>* maskable, const std::string& source) {
  const IdleRows rows = count_idle_rows(train, maskable, /*until_one_counts=*/true);
  if (train.rows() == 0 || rows.idle < train.rows()) return;
  const char* what =
      maskable != nullptr ? "holds a token that could be masked" : "has a token that another one predicts";
  throw Error("{}: none of the {} {}, so there is nothing to learn; give texts of several tokens", source,
              counted(train.rows(), "training row"), what);
}

/// Reads a table as far as this rank's share of its rows goes: `use(chunk, first, begin, end)` of each chunk on the
/// way, whose rows [begin, end), perhaps none, are of the share. `first`: the number that its first row has in the
/// table.
template <typename Use>
void read_share(const TableSource& table, const Communicator& communicator, Use use) {
  const std::int64_t share_begin = table.rows() * communicator.rank() / communicator.size();
  const std::int64_t share_end = table.rows() * (communicator.rank() + 1) / communicator.size();
  table.read(kRowsAtATime, [&](const Table& chunk, std::int64_t first) {
    const auto count = static_cast<std::int64_t>(chunk.rows.size());
    use(chunk, first, std::clamp<std::int64_t>(share_begin - first, 0, count),
        std::clamp<std::int64_t>(share_end - first, 0, count));
    return first + count < share_end;
  });
}

/// Lets rows be read as the task wants them.
void transform(ExampleSource& rows, const RowReading& reading) {
  if (!reading.task.masks_tokens) return;
  rows.transform_with(masking(reading.tokenizer, reading.model.vocabulary_size),
                      static_cast<std::uint64_t>(reading.configuration.train.seed));
}

/// Collective. What was counted of conversations when they were cached; false where that is not known.
bool find_tally(const std::filesystem::path& file, const TableSource& table, ChatTally& tally,
                Communicator& communicator) {
  std::optional<ChatTally> found;
  if (communicator.rank() == 0) found = read_chat_tally(file, table.rows_of_files());
  std::vector<std::int64_t> known{found ? 1 : 0};
  communicator.all_reduce(std::span(known), Reduction::max);
  tally = found.value_or(ChatTally{});
  tally.sequences_of_files.resize(table.rows_of_files().size());
  tally.counts = counts_of_all(tally.counts, communicator);
  communicator.all_reduce(std::span(tally.sequences_of_files), Reduction::sum);
  return known.front() == 1;
}

/// Tokenises rows [begin, end) of a chunk. `rows_of_files` [files]: what comes of them is added to their file's number.
void tokenize_chunk(const Table& chunk, const ColumnChoice& columns, const RowReading& reading,
                    const TokenizeOptions& options, const LabelReader* labels, std::int64_t begin, std::int64_t end,
                    TokenSpool& spool, std::span<std::int64_t> rows_of_files) {
  const auto file_of = [&](std::int64_t row) -> std::size_t {
    return chunk.file_of.empty() ? 0 : chunk.file_of[static_cast<std::size_t>(row)];
  };
  // Also of no rows: what is wrong with the table as a whole is every rank's to see.
  do {
    std::int64_t last = begin;
    while (last < end && file_of(last) == file_of(begin)) ++last;
    const TokenRows rows =
        tokenize_rows(chunk, columns, reading.tokenizer, reading.labels, options, begin, last, labels);
    spool.append(rows);
    if (rows.rows() > 0) rows_of_files[file_of(begin)] += rows.rows();
    begin = last;
  } while (begin < end);
}

/// Of files that are mixed, how many rows each name of data.train stands for, given those of each file; else all in
/// one.
std::vector<std::int64_t> rows_of_names(const DataSection& data, std::span<const std::int64_t> rows_of_files) {
  const auto sum = [](std::span<const std::int64_t> rows) {
    return std::accumulate(rows.begin(), rows.end(), std::int64_t{0});
  };
  if (data.train_weights.empty()) return {sum(rows_of_files)};
  std::vector<std::int64_t> rows;
  for (const std::string& name : data.train.values) {
    const std::size_t files = std::min(files_named(std::span(&name, 1)).size(), rows_of_files.size());
    rows.push_back(sum(rows_of_files.first(files)));
    rows_of_files = rows_of_files.subspan(files);
  }
  return rows;
}

/// Documents before which blocks end: those of another name follow.
std::vector<std::int64_t> breaks_between(const DataSection& data, std::span<const std::int64_t> documents_of_files) {
  std::vector<std::int64_t> breaks = rows_of_names(data, documents_of_files);
  std::partial_sum(breaks.begin(), breaks.end(), breaks.begin());
  breaks.pop_back();
  return breaks;
}

/// The end token of documents; -1: none.
std::int32_t end_token_of(const DataSection& data, const Tokenizer& tokenizer) {
  if (data.end_token == "none") return -1;
  const bool named = data.end_token != "tokenizer";
  const std::string token = named ? data.end_token : tokenizer.end_token();
  if (token.empty()) return -1;
  if (const std::optional<std::int32_t> id = tokenizer.id_of(token)) return *id;
  if (!named) return -1;
  throw usage_error("data.end_token is {}, which the tokenizer's vocabulary lacks; name one of its tokens, or none",
                    quoted_name(token));
}

/// Tokens of a pack, where rows are packed; else 0.
std::int64_t pack_length(const RowReading& reading) {
  const bool packs = reading.task.labels == LabelKind::next_token && reading.configuration.data.pack == "documents";
  return packs ? reading.max_length : 0;
}

/// At most `most` rows of a table, rising and spread evenly, but of each part that has rows at least one.
std::vector<std::int64_t> evenly_spread(std::span<const std::int64_t> rows_of_parts, std::int64_t most) {
  const std::int64_t all = std::accumulate(rows_of_parts.begin(), rows_of_parts.end(), std::int64_t{0});
  std::vector<std::int64_t> places;
  std::int64_t first = 0;
  for (const std::int64_t rows : rows_of_parts) {
    const std::int64_t kept = std::min(rows, std::max<std::int64_t>(1, all <= most ? rows : most * rows / all));
    for (std::int64_t i = 0; i < kept; ++i) places.push_back(first + i * rows / kept);
    first += rows;
  }
  return places;
}

/// The rows of a part that is the whole.
TokenStore store_of(const TokenSpool& spool) {
  TokenSpool::Place place;
  place.whole = spool.sizes();
  const auto bytes = std::make_shared<std::vector<std::byte>>(place_in_memory(place.whole));
  if (place.whole.rows == 0) return {};
  for (std::uint64_t first = 0; first < spool.bytes(place);) {
    const TokenSpool::Piece piece = spool.piece(place, first, std::uint64_t{1} << 22);
    std::copy(piece.bytes.begin(), piece.bytes.end(), bytes->begin() + static_cast<std::ptrdiff_t>(piece.offset));
    first += piece.bytes.size();
  }
  return {bytes, *bytes, place.whole};
}

/// Tokenised documents as the sequences of the run, with what bits per byte divide by.
TokenStore laid_out(const TokenStore& documents, std::int64_t text_bytes, const RowReading& reading,
                    std::span<const std::int64_t> breaks = {}) {
  if (reading.task.labels != LabelKind::next_token) return documents;
  if (reads_conversations(reading.configuration.data)) {
    TokenStore rows = documents;
    std::int64_t learnt_bytes = 0;
    rows.scan(rows.classes(), [&](std::span<const std::int32_t> classes, std::size_t) {
      for (const std::int32_t id : classes)
        if (id != kUnlabelled) learnt_bytes += reading.tokenizer.bytes_of(id);
      return true;
    });
    rows.set_text_bytes(learnt_bytes);
    return rows;
  }
  const DataSection& data = reading.configuration.data;
  const TextPacking packing = data.pack == "blocks" ? TextPacking::blocks : TextPacking::documents;
  TokenStore rows = sequences_of(documents, {packing, reading.max_length}, breaks);
  const bool cuts = tokenize_options(reading).long_documents == LongDocuments::cut;
  rows.set_text_bytes(predicted_bytes(rows, cuts ? -1 : text_bytes, reading.tokenizer));
  return rows;
}

}  // namespace

void refuse_needless_keys(const Configuration& configuration, const TaskSpec& task) {
  const DataSection& data = configuration.data;
  const DataSection defaults;
  const auto refuse = [&](bool is_set, const char* key) {
    if (is_set) throw usage_error("{} is for causal-lm and has no effect for {}; take the key out", key, task.name);
  };
  if (task.labels != LabelKind::next_token) {
    const bool may_be_chats = takes_conversations(task.labels);
    refuse(data.pack != defaults.pack, "data.pack");
    refuse(!may_be_chats && data.long_documents != defaults.long_documents, "data.long_documents");
    refuse(!may_be_chats && data.end_token != defaults.end_token, "data.end_token");
    refuse(configuration.evaluate.stride != 0, "evaluate.stride");
  }
  if (task.loss == LossKind::preference && !data.train_weights.empty())
    throw usage_error("data.train_weights: pairs of answers are not mixed by weight; take the key out");
  if (!data.labels.empty() && !has_names(task.labels))
    throw usage_error("data.labels names {}, but {} has none; take the key out", counted(data.labels.size(), "label"),
                      task.name);
  const bool reads_chats = reads_conversations(data) || task.labels == LabelKind::preference;
  const auto differing = differing_keys(Configuration(), configuration);
  for (const std::string& key : differing) {
    if ((key == "data.label" && !has_label_column(task.labels)) ||
        (key == "evaluate.threshold" && task.labels != LabelKind::multi_label) ||
        (key == "train.batch_norm" && !is_of_images(task.head)))
      throw usage_error("{} has no effect for {}; take the key out", key, task.name);
    if (reads_chats && (key == "data.text" || key == "data.text_pair" || key == "data.documents"))
      throw usage_error("{} is about texts, but the rows are conversations; take the key out", key);
    if (key == "data.learn_roles" && data.learn == "all")
      throw usage_error("data.learn is all, and data.learn_roles says whose turns alone are learnt; keep one");
    if (task.loss != LossKind::preference && key.starts_with("preference."))
      throw usage_error("{} is for dpo and has no effect for {}; take the key out", key, task.name);
    if (task.loss == LossKind::preference && (key == "train.label_smoothing" || key == "train.z_loss"))
      throw usage_error("{} has no effect for {}; take the key out{}", key, task.name,
                        key == "train.z_loss" ? "" : ", or set preference.label_smoothing");
  }
  if (configuration.preference.loss != "sigmoid" && configuration.preference.label_smoothing > 0.0)
    throw usage_error("preference.label_smoothing is {}, but preference.loss = \"{}\" has none; take the key out",
                      configuration.preference.label_smoothing, configuration.preference.loss);
}

TokenizeOptions tokenize_options(const RowReading& reading) {
  const DataSection& data = reading.configuration.data;
  TokenizeOptions options{static_cast<std::size_t>(reading.max_length), reading.threads, reading.task.labels};
  if (!takes_conversations(reading.task.labels)) return options;
  const bool blocks = data.pack == "blocks";
  if (data.long_documents == "split" || blocks) options.long_documents = LongDocuments::split;
  if (data.long_documents == "refuse" && !blocks) options.long_documents = LongDocuments::refuse;
  options.end_token = end_token_of(data, reading.tokenizer);
  options.chat = chat_encoder_of(data, reading.tokenizer, reading.max_length, options.end_token,
                                 reading.task.labels == LabelKind::preference);
  if (options.chat == nullptr && data.long_documents == "drop")
    throw usage_error("data.long_documents is drop, which conversations can be; of texts take split, cut or refuse");
  return options;
}

std::optional<PackedRows> packed_rows(const TokenStore& rows, const RowReading& reading) {
  if (pack_length(reading) == 0 || rows.rows() == 0) return std::nullopt;
  return PackedRows(rows, reading.max_length);
}

std::optional<PairedRows> paired_rows(const TokenStore& rows, const RowReading& reading) {
  if (reading.task.labels != LabelKind::preference || rows.rows() == 0) return std::nullopt;
  return PairedRows(rows);
}

std::optional<TextWindows> text_windows(const TokenStore& rows, const TableNotes& notes, const RowReading& reading) {
  const std::int64_t stride = reading.configuration.evaluate.stride;
  if (stride != 0 && reads_conversations(reading.configuration.data))
    throw usage_error("evaluate.stride is {}, but conversations are measured whole; take the key out", stride);
  if (stride == 0 || reading.task.labels != LabelKind::next_token || rows.rows() == 0) return std::nullopt;
  const std::int64_t bytes = tokenize_options(reading).long_documents == LongDocuments::cut ? -1 : notes.text_bytes;
  if (stride > reading.max_length)
    throw usage_error("evaluate.stride is {}, more than the {} tokens of a window (data.max_length); lower it", stride,
                      reading.max_length);
  TextWindows windows(rows, reading.max_length, stride);
  if (stride == reading.max_length) {
    const TokenStore pieces = sequences_of(rows, {TextPacking::documents, reading.max_length});
    windows.set_text_bytes(predicted_bytes(pieces, bytes, reading.tokenizer));
  } else {
    const std::span<const std::int64_t> starts = rows.document_starts();
    windows.set_text_bytes(predicted_bytes(rows.with_rows({starts.begin(), starts.end()}), bytes, reading.tokenizer));
  }
  return windows;
}

HeadRequest head_request(const TaskSpec& task, const LabelSet& labels) {
  const auto names = static_cast<std::int64_t>(labels.size());
  return {task.head, task.labels == LabelKind::regression ? std::max<std::int64_t>(1, names) : names, {task.loss}};
}

void require_countable(const ExampleSource& rows, const std::string& source) {
  if (rows.rows() == 0 || has_counting_row(rows)) return;
  throw Error(
      "{}: none of the {} that are measured has a token that counts, so every model would have a loss of 0; give rows "
      "with labels, or texts of several tokens",
      source, counted(rows.rows(), "row"));
}

std::int64_t count_cut_rows_of_all(const TokenStore& rows, const TableSource& table, const ColumnChoice& columns,
                                   const Tokenizer& tokenizer, const TokenizeOptions& options,
                                   Communicator& communicator) {
  std::int64_t mine = 0;
  read_share(table, communicator, [&](const Table& chunk, std::int64_t first, std::int64_t begin, std::int64_t end) {
    std::vector<std::int64_t> lengths;
    for (std::int64_t row = begin; row < end; ++row) lengths.push_back(rows.length(first + row));
    if (!lengths.empty()) mine += count_cut_rows(lengths, chunk, begin, columns, tokenizer, options);
  });
  std::vector<std::int64_t> cut{mine};
  communicator.all_reduce(std::span(cut), Reduction::sum);
  return cut.front();
}

TokenStore tokenize_table(const TableSource& table, const TableNotes& notes, const RowReading& reading,
                          Communicator& communicator, const std::function<void(const std::string&)>& say,
                          ChatTally* tally, std::vector<TrainingPart>* parts) {
  const auto& [configuration, task, tokenizer, model, labels, max_length, threads] = reading;
  const ColumnChoice columns = columns_of(configuration.data, task);
  const TokenizeOptions options = tokenize_options(reading);
  std::optional<CachedRows> cached;
  std::optional<TokenStore> store;
  if (configuration.data.cache) {
    // Without notes the key tells which column is missing.
    const TokenCacheKey& key = notes.key ? *notes.key : TokenCacheKey(table.head(), columns);
    cached = {cache_folder(configuration), key.key(tokenizer, labels, options)};
    store = find_shared_rows(*cached, communicator);
  }
  const std::filesystem::path file = cached ? token_file_path(cached->folder, cached->key) : std::filesystem::path();
  ChatTally counted_rows;
  counted_rows.sequences_of_files = table.rows_of_files();
  if (store && options.chat != nullptr && !find_tally(file, table, counted_rows, communicator)) store.reset();
  if (!store) {
    TokenSpool mine;
    std::vector<std::int64_t>& of_files = counted_rows.sequences_of_files;
    std::fill(of_files.begin(), of_files.end(), 0);
    read_share(table, communicator, [&](const Table& chunk, std::int64_t, std::int64_t begin, std::int64_t end) {
      tokenize_chunk(chunk, columns, reading, options, notes.labels ? &*notes.labels : nullptr, begin, end, mine,
                     of_files);
    });
    communicator.all_reduce(std::span(of_files), Reduction::sum);
    store = share_rows(mine, cached, communicator, say);
    if (options.chat != nullptr) {
      counted_rows.counts = counts_of_all(options.chat->counts(), communicator);
      if (cached && communicator.rank() == 0 && std::filesystem::exists(file)) {
        try {
          write_chat_tally(file, table.rows_of_files(), counted_rows);
        } catch (const Error& error) {
          // The next run counts again; the other ranks know nothing of this one's trouble.
          say(fmt::format("{}; the run does without it", error.what()));
        }
      }
    }
  }
  if (tally != nullptr) *tally = counted_rows;
  transform(*store, reading);
  if (parts == nullptr) return laid_out(*store, notes.text_bytes, reading);
  const std::vector<std::int64_t>& of_files = counted_rows.sequences_of_files;
  TokenStore rows = laid_out(*store, notes.text_bytes, reading, breaks_between(configuration.data, of_files));
  *parts = training_parts(configuration.data, rows, of_files);
  return rows;
}

DataSample sample_run_data(const Configuration& configuration, const TaskSpec& task, const Tokenizer& tokenizer,
                           const ModelConfig& model, std::int64_t max_length, int threads, std::int64_t most_rows) {
  refuse_needless_keys(configuration, task);
  const RunTables tables = read_run_tables(configuration, task, model.labels, /*with_texts=*/false);
  DataSample sample;
  sample.labels = tables.labels;
  sample.train_rows = tables.train.rows();
  sample.validation_rows = tables.validation.rows();
  sample.test_rows = tables.test.rows();
  for (const RunTable& set : tables.sets) sample.set_rows.push_back(set.rows());
  Table looked_at = tables.train.source->head();
  const std::vector<std::int64_t> places =
      evenly_spread(rows_of_names(configuration.data, tables.train.source->rows_of_files()), most_rows);
  const auto kept = static_cast<std::int64_t>(places.size());
  auto next = places.begin();
  tables.train.source->read(kRowsAtATime, [&](Table& chunk, std::int64_t first) {
    const auto count = static_cast<std::int64_t>(chunk.rows.size());
    for (; next != places.end() && *next < first + count; ++next)
      move_row(chunk, static_cast<std::size_t>(*next - first), looked_at);
    return next != places.end();
  });
  const RowReading reading{configuration, task, tokenizer, model, sample.labels, max_length, threads};
  TokenSpool spool;
  std::vector<std::int64_t> of_files(tables.train.source->rows_of_files().size());
  tokenize_chunk(looked_at, columns_of(configuration.data, task), reading, tokenize_options(reading),
                 tables.train.notes.labels ? &*tables.train.notes.labels : nullptr, 0, kept, spool, of_files);
  const TokenStore documents = store_of(spool);
  sample.train = laid_out(documents, 0, reading, breaks_between(configuration.data, of_files));
  transform(sample.train, reading);
  std::vector<TrainingPart> parts = training_parts(configuration.data, sample.train, of_files);
  // What was looked at of a file may hold nothing to learn.
  std::erase_if(parts, [](const TrainingPart& part) { return part.rows == 0; });
  sample.mixture = mixture_of(sample.train, parts, pack_length(reading));
  if (sample.mixture != nullptr) {
    transform(*sample.mixture, reading);
  } else {
    sample.packed = packed_rows(sample.train, reading);
    sample.pairs = paired_rows(sample.train, reading);
  }
  const auto rows_for = [&](std::int64_t of_table, std::int64_t rows_looked_at) {
    const double each = static_cast<double>(rows_looked_at) / static_cast<double>(kept);
    return static_cast<std::int64_t>(std::llround(each * static_cast<double>(of_table)));
  };
  sample.train_sequences = kept == 0 ? 0 : rows_for(sample.train_rows, sample.train.rows());
  if (kept == 0 || (!takes_conversations(task.labels) && sample.mixture == nullptr)) return sample;
  // Documents are not the rows of a step or of an evaluation; those that were looked at stand for all.
  sample.train_rows = rows_for(sample.train_rows, sample.training().epoch_rows());
  if (!takes_conversations(task.labels)) return sample;
  for (std::int64_t* rows : {&sample.validation_rows, &sample.test_rows}) *rows = rows_for(*rows, sample.train.rows());
  for (std::int64_t& rows : sample.set_rows) rows = rows_for(rows, sample.train.rows());
  return sample;
}

std::int64_t DataSample::bytes_of_others() const {
  if (images != nullptr) return picture_bytes;
  const std::int64_t all =
      std::accumulate(set_rows.begin(), set_rows.end(), train_sequences + validation_rows + test_rows);
  const double tokens_each = static_cast<double>(train.tokens()) / static_cast<double>(train.rows());
  return static_cast<std::int64_t>(static_cast<double>(all - train.rows()) * (8.0 * tokens_each + 16.0));
}

RunData prepare_run_data(const Configuration& configuration, const TaskSpec& task, const Tokenizer& tokenizer,
                         const ModelConfig& model, std::int64_t max_length, int threads, Communicator& communicator,
                         const std::function<void(const std::string&)>& say) {
  refuse_needless_keys(configuration, task);
  // The findings are for a person; one rank looks.
  const bool diagnoses = communicator.rank() == 0;
  const RunTables tables = read_run_tables(configuration, task, model.labels, diagnoses);
  if (diagnoses) {
    const auto tell = [&](const OneOrMore& names) {
      for (const std::string& note : unread_file_notes(names.values)) say(note);
    };
    for (const OneOrMore* names : {&configuration.data.train, &configuration.data.validation, &configuration.data.test})
      tell(*names);
    for (const EvaluationSetConfig& set : configuration.evaluate.sets) tell(set.data);
  }
  RunData data;
  data.labels = tables.labels;
  const RowReading reading{configuration, task, tokenizer, model, data.labels, max_length, threads};
  const auto tokenize = [&](const RunTable& table, std::string_view role, std::vector<TrainingPart>* parts = nullptr) {
    if (table.rows() == 0) return TokenStore();
    ChatTally tally;
    TokenStore rows = tokenize_table(*table.source, table.notes, reading, communicator, say, &tally, parts);
    const ChatCounts& chats = tally.counts;
    if (!reads_conversations(configuration.data)) return rows;
    if (rows.rows() == 0 && task.labels == LabelKind::preference)
      throw Error(
          "{}: no pair is left of {}: {} equal answers, {} an empty one, and the longest has {} (data.max_length)",
          table.source->head().path.string(), table.rows(), count_of(chats, ChatCount::equal_pairs),
          count_of(chats, ChatCount::empty_answers), counted(count_of(chats, ChatCount::longest), "token"));
    if (rows.rows() == 0)
      throw Error(
          "{}: no row has anything to learn (data.learn, data.learn_roles, data.max_length); its longest conversation "
          "has "
          "{}, and the roles that are learnt are {}",
          table.source->head().path.string(), counted(count_of(chats, ChatCount::longest), "token"),
          name_list(configuration.data.learn_roles));
    if (diagnoses) {
      const ChatSettings settings = tokenize_options(reading).chat->settings();
      for (Finding& finding : diagnose_chats(chats, settings, tokenizer, role))
        data.findings.push_back(std::move(finding));
    }
    return rows;
  };
  data.train = tokenize(tables.train, "training", &data.parts);
  require_some_label(data.train, tables.train.source->head().path, columns_of(configuration.data, task), task.labels);
  const std::optional<std::vector<bool>> maskable = maskable_of(reading);
  require_some_lesson(data.train, maskable ? &*maskable : nullptr, configuration.data.train.text());
  data.validation = tokenize(tables.validation, "validation");
  data.test = tokenize(tables.test, "test");
  for (std::size_t i = 0; i < tables.sets.size(); ++i) {
    const EvaluationSetConfig& set = configuration.evaluate.sets[i];
    TokenStore rows = tokenize(tables.sets[i], configuration.evaluate.sets[i].name);
    std::optional<TextWindows> windows = text_windows(rows, tables.sets[i].notes, reading);
    std::optional<PairedRows> pairs = paired_rows(rows, reading);
    data.sets.push_back({set.name, std::move(rows), std::move(windows), set.every_steps, std::move(pairs)});
  }
  if (data.train.rows() > 0) data.mixture = mixture_of(data.train, data.parts, pack_length(reading));
  if (data.mixture != nullptr) {
    transform(*data.mixture, reading);
    if (diagnoses) data.findings.push_back(describe_mixture(*data.mixture, data.parts, pack_length(reading) > 0));
  } else {
    data.packed = packed_rows(data.train, reading);
  }
  data.train_pairs = paired_rows(data.train, reading);
  data.validation_pairs = paired_rows(data.validation, reading);
  data.test_pairs = paired_rows(data.test, reading);
  data.validation_windows = text_windows(data.validation, tables.validation.notes, reading);
  data.test_windows = text_windows(data.test, tables.test.notes, reading);
  const DataSection& section = configuration.data;
  require_countable(data.validation_examples(),
                    (section.validation.empty() ? section.train : section.validation).text());
  require_countable(data.test_examples(), section.test.text());
  for (std::size_t i = 0; i < data.sets.size(); ++i)
    require_countable(data.sets[i].examples(), configuration.evaluate.sets[i].data.text());
  data.files = lineage_of_files(configuration, tables);
  if (diagnoses) {
    const auto add = [&](std::vector<Finding> findings) {
      data.findings.insert(data.findings.end(), findings.begin(), findings.end());
    };
    // Where rows were tokenised, their column of texts is there, and so are the notes of it.
    const std::optional<TextNotes>& train = tables.train.notes.texts;
    if (train) add(diagnose_texts(*train));
    const auto add_overlap = [&](const RunTable& held_out, std::string_view role) {
      if (train && held_out.rows() > 0) add(diagnose_overlap(*train, *held_out.notes.texts, role));
    };
    add_overlap(tables.validation, "validation");
    add_overlap(tables.test, "test");
    for (std::size_t i = 0; i < tables.sets.size(); ++i)
      add_overlap(tables.sets[i], configuration.evaluate.sets[i].name);
    add(diagnose_label_names(data.labels, task.labels));
    if (has_names(task.labels))
      add(diagnose_labels(data.train, data.labels, rare_label_advice(configuration.train, task.labels)));
    add(diagnose_idle_rows(data.train, maskable ? &*maskable : nullptr));
    add(diagnose_tokens(data.train, tokenizer,
                        takes_conversations(task.labels) &&
                                (configuration.data.long_documents != "cut" || reads_conversations(configuration.data))
                            ? std::numeric_limits<std::size_t>::max()
                            : static_cast<std::size_t>(max_length)));
  }
  return data;
}

}  // namespace temper

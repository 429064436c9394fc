// Changes PEFT's folders at random and puts them on their models: each must be read or refused with an Error. What is
// changed are the bytes of both files, the values of adapter_config.json, and the header of adapter_model.safetensors:
// its length, and names, types, shapes and offsets of tensors. Built apart from the tests, with sanitizers
// (tests/fuzz/run_adapter_fuzz.sh); what brings it down is left in the working folder as "crash-adapter". Usage:
// adapter_fuzz SECONDS SEED FOLDER... (with config.json and adapter/, such as tests/fixtures/*-adapter)
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/adapters/peft_folder.h"
#include "model/architectures/registry.h"
#include "tensor/device.h"
#include "tests/fuzz/fuzz_program.h"
#include "tests/model/packed_batch.h"

namespace temper {
namespace {

using Json = nlohmann::json;
using Random = std::mt19937_64;
namespace fs = std::filesystem;

constexpr std::size_t kLengthOfHeaderBytes = 8;

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_bytes(const fs::path& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

struct Subject {
  std::string base_config;
  HeadKind head = HeadKind::sequence;
  std::string adapter_config;
  std::string weights;
};

Subject subject_of(const fs::path& folder) {
  Subject subject{bytes_of(folder / "config.json"), HeadKind::sequence,
                  bytes_of(folder / "adapter/adapter_config.json"),
                  bytes_of(folder / "adapter/adapter_model.safetensors")};
  const Json config = Json::parse(subject.adapter_config);
  if (config.value("task_type", Json()) == "CAUSAL_LM") subject.head = HeadKind::causal_language_model;
  if (config.value("task_type", Json()) == "TOKEN_CLS") subject.head = HeadKind::token;
  return subject;
}

void change_bytes(std::string& bytes, std::size_t reach, Random& random) {
  for (std::uint64_t changes = 1 + random() % 4; changes > 0 && !bytes.empty(); --changes) {
    const std::size_t at = random() % std::min(reach, bytes.size());
    switch (random() % 6) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << (random() % 8)));
        break;
      case 2:
        bytes.erase(at, 1 + random() % 16);
        break;
      case 3:
        bytes.insert(at, bytes.substr(random() % bytes.size(), 1 + random() % 64));
        break;
      case 4:
        bytes.resize(at);
        break;
      default:
        bytes.insert(at, std::string(1 + random() % 300, "[{\"0\\,}]"[random() % 8]));
    }
  }
}

Json odd_value(Random& random) {
  const Json odd[] = {Json(),
                      Json(true),
                      Json(0),
                      Json(-1),
                      Json(1),
                      Json(65536),
                      Json(1LL << 31),
                      Json(1LL << 62),
                      Json(~0ULL),
                      Json(1e300),
                      Json(0.5),
                      Json(""),
                      Json("F64"),
                      Json("BF16"),
                      Json("U8"),
                      Json(".*"),
                      Json("(a|aa)*+\\p{L}{2,}(?<!x)(?P<q>"),
                      Json("(.*)*b"),
                      Json("all-linear"),
                      Json("query"),
                      Json(Json::array()),
                      Json({0, ~0ULL}),
                      Json({1LL << 32, 1LL << 31}),
                      Json({0, 0}),
                      Json(Json::object()),
                      Json({{"query", 3}}),
                      Json({{"(", 1e9}})};
  return odd[random() % std::size(odd)];
}

void collect(Json& node, std::vector<Json*>& nodes) {
  nodes.push_back(&node);
  if (node.is_structured())
    for (Json& child : node) collect(child, nodes);
}

void change_values(Json& document, Random& random) {
  for (std::uint64_t changes = 1 + random() % 3; changes > 0; --changes) {
    std::vector<Json*> nodes;
    collect(document, nodes);
    Json& node = *nodes[random() % nodes.size()];
    switch (random() % 4) {
      case 0:  // another place's value
        node = Json(*nodes[random() % nodes.size()]);
        break;
      case 1:  // a key is called otherwise, or goes
        if (node.is_object() && !node.empty()) {
          auto member = node.begin();
          std::advance(member, static_cast<std::ptrdiff_t>(random() % node.size()));
          const std::string key = member.key();
          const Json value = *member;
          node.erase(key);
          if (random() % 2 == 0) node[key + (random() % 2 == 0 ? ".lora_A.weight" : "\xE2\x96\x81")] = value;
          break;
        }
        [[fallthrough]];
      case 2:
        if (node.is_number_integer()) {
          node = node.get<std::int64_t>() + static_cast<std::int64_t>(random() % 9) - 4;
          break;
        }
        [[fallthrough]];
      default:
        node = odd_value(random);
    }
  }
}

std::string text_of(const Json& document) { return document.dump(-1, ' ', false, Json::error_handler_t::replace); }

void change_header(std::string& weights, Random& random) {
  std::uint64_t length = 0;
  std::memcpy(&length, weights.data(), kLengthOfHeaderBytes);
  Json header = Json::parse(weights.substr(kLengthOfHeaderBytes, length));
  change_values(header, random);
  const std::string text = text_of(header);
  const std::uint64_t temptations[] = {0, 1, 7, 1ULL << 31, 1ULL << 32, 1ULL << 63, ~0ULL, text.size() + 1};
  length = random() % 8 == 0 ? temptations[random() % std::size(temptations)] : text.size();
  std::string bytes(kLengthOfHeaderBytes, '\0');
  std::memcpy(bytes.data(), &length, kLengthOfHeaderBytes);
  std::uint64_t old = 0;
  std::memcpy(&old, weights.data(), kLengthOfHeaderBytes);
  weights = bytes + text + weights.substr(kLengthOfHeaderBytes + old);
}

/// Whether the adapter was read, merged, and written again.
bool use_folder(const Subject& subject, Device& device, const fs::path& folder) {
  try {
    const PeftConfig config = read_peft_config(folder);
    (void)head_kind_of(config.task_type, folder.string());
    (void)base_of_adapter(folder);
    (void)outputs_of_adapter(folder, *make_model(parse_model_config(subject.base_config, ""), {subject.head, 9973}));
    const auto model = make_model(parse_model_config(subject.base_config, ""), {subject.head, 3});
    testing_support::draw_all(*model, device);
    require_same_tables(*model, device, folder);
    const Lora lora = load_adapter(*model, device, folder);
    (void)idle_modules(*model, device, lora);
    write_adapter({*model, device, lora, "base", {}}, folder / "written");
    merge_lora(*model, device, lora);
    return true;
  } catch (const Error&) {
    return false;
  }
}

int fuzz(double seconds, std::uint64_t seed, const std::vector<fs::path>& folders) {
  std::vector<Subject> subjects;
  for (const fs::path& folder : folders) subjects.push_back(subject_of(folder));
  Random random(seed);
  const auto device = make_cpu_device();
  const fs::path folder = "crash-adapter";
  fs::create_directories(folder / "written");
  std::uint64_t tried = 0;
  std::uint64_t accepted = 0;
  double longest = 0.0;
  for (const Subject& subject : subjects) {
    write_bytes(folder / kPeftConfigFile, subject.adapter_config);
    write_bytes(folder / kPeftWeightsFile, subject.weights);
    if (use_folder(subject, *device, folder)) continue;
    std::fprintf(stderr, "a folder is refused as it is\n");
    return 2;
  }
  while (processor_seconds() < seconds) {
    const double before = processor_seconds();
    const Subject& subject = subjects[random() % subjects.size()];
    std::string config = subject.adapter_config;
    std::string weights = subject.weights;
    switch (random() % 8) {
      case 0:
        change_bytes(config, config.size(), random);
        break;
      case 1:
        change_bytes(weights, random() % 4 == 0 ? weights.size() : 2048, random);
        break;
      case 2:
        weights = subjects[random() % subjects.size()].weights;
        break;
      case 3:
      case 4: {
        Json document = Json::parse(config);
        change_values(document, random);
        config = text_of(document);
        break;
      }
      default:
        change_header(weights, random);
    }
    write_bytes(folder / kPeftConfigFile, config);
    write_bytes(folder / kPeftWeightsFile, weights);
    accepted += use_folder(subject, *device, folder) ? 1 : 0;
    ++tried;
    longest = std::max(longest, processor_seconds() - before);
  }
  fs::remove_all(folder);
  std::printf("%llu folders, %llu of them read, the others refused, the longest took %.2f s\n",
              static_cast<unsigned long long>(tried), static_cast<unsigned long long>(accepted), longest);
  return 0;
}

}  // namespace
}  // namespace temper

int main(int count, char** arguments) { return temper::fuzz_main(count, arguments, "adapter_fuzz", temper::fuzz); }

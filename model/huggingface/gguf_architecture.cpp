#include "model/huggingface/gguf_architecture.h"

#include <algorithm>

namespace temper {
namespace {

using Names = std::vector<GgufTensorName>;
using Keys = std::vector<GgufKey>;

template <typename Item>
std::vector<Item> joined(std::vector<Item> first, const std::vector<Item>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

/// Sizes that every architecture after GPT-2 has under these names.
Keys size_keys() {
  return {{"context_length", "max_position_embeddings"},
          {"embedding_length", "hidden_size"},
          {"block_count", "num_hidden_layers"},
          {"feed_forward_length", "intermediate_size"},
          {"attention.head_count", "num_attention_heads"}};
}

Keys rms_keys(double epsilon = 1e-6) {
  return joined(size_keys(),
                Keys{{"attention.head_count_kv", "num_key_value_heads", GgufKeyKind::size, false},
                     {"attention.key_length", "head_dim", GgufKeyKind::size, false},
                     {"attention.layer_norm_rms_epsilon", "rms_norm_eps", GgufKeyKind::real, true, epsilon}});
}

Keys window_key() { return {{"attention.sliding_window", "sliding_window", GgufKeyKind::size, false}}; }

Keys gemma_keys() {
  return joined(joined(rms_keys(), window_key()),
                Keys{{"attn_logit_softcapping", "attn_logit_softcapping", GgufKeyKind::real, false},
                     {"final_logit_softcapping", "final_logit_softcapping", GgufKeyKind::real, false}});
}

Names ends(GgufChange norm = GgufChange::none) {
  return {{"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm", norm}, {"output", "lm_head"}};
}

Names attention(GgufChange queries = GgufChange::none, GgufChange keys = GgufChange::none) {
  return {{"blk.{}.attn_q", "model.layers.{}.self_attn.q_proj", queries},
          {"blk.{}.attn_k", "model.layers.{}.self_attn.k_proj", keys},
          {"blk.{}.attn_v", "model.layers.{}.self_attn.v_proj"},
          {"blk.{}.attn_output", "model.layers.{}.self_attn.o_proj"}};
}

Names query_key_norms(GgufChange norm = GgufChange::none) {
  return {{"blk.{}.attn_q_norm", "model.layers.{}.self_attn.q_norm", norm},
          {"blk.{}.attn_k_norm", "model.layers.{}.self_attn.k_norm", norm}};
}

Names gated_units() {
  return {{"blk.{}.ffn_gate", "model.layers.{}.mlp.gate_proj"},
          {"blk.{}.ffn_up", "model.layers.{}.mlp.up_proj"},
          {"blk.{}.ffn_down", "model.layers.{}.mlp.down_proj"}};
}

Names norms_before(GgufChange norm = GgufChange::none) {
  return {{"blk.{}.attn_norm", "model.layers.{}.input_layernorm", norm},
          {"blk.{}.ffn_norm", "model.layers.{}.post_attention_layernorm", norm}};
}

Names decoder(const Names& attention_names) {
  return joined(joined(joined(ends(), attention_names), gated_units()), norms_before());
}

Names gemma(bool normed_heads) {
  constexpr GgufChange kNorm = GgufChange::plus_one;
  const Names norms{{"blk.{}.attn_norm", "model.layers.{}.input_layernorm", kNorm},
                    {"blk.{}.post_attention_norm", "model.layers.{}.post_attention_layernorm", kNorm},
                    {"blk.{}.ffn_norm", "model.layers.{}.pre_feedforward_layernorm", kNorm},
                    {"blk.{}.post_ffw_norm", "model.layers.{}.post_feedforward_layernorm", kNorm}};
  const Names plain = joined(joined(joined(ends(kNorm), attention()), gated_units()), norms);
  return normed_heads ? joined(plain, query_key_norms(kNorm)) : plain;
}

const Names& phi3_names() {
  static const Names kNames =
      joined(joined(ends(), norms_before()), Names{{"blk.{}.attn_qkv", "model.layers.{}.self_attn.qkv_proj"},
                                                   {"blk.{}.attn_output", "model.layers.{}.self_attn.o_proj"},
                                                   {"blk.{}.ffn_up", "model.layers.{}.mlp.gate_up_proj"},
                                                   {"blk.{}.ffn_down", "model.layers.{}.mlp.down_proj"}});
  return kNames;
}

Names olmo2_names() {
  return joined(joined(joined(ends(), attention()), joined(query_key_norms(), gated_units())),
                Names{{"blk.{}.post_attention_norm", "model.layers.{}.post_attention_layernorm"},
                      {"blk.{}.post_ffw_norm", "model.layers.{}.post_feedforward_layernorm"}});
}

Names neox_names() {
  return {{"token_embd", "gpt_neox.embed_in"},
          {"output_norm", "gpt_neox.final_layer_norm"},
          {"output", "embed_out"},
          {"blk.{}.attn_norm", "gpt_neox.layers.{}.input_layernorm"},
          {"blk.{}.ffn_norm", "gpt_neox.layers.{}.post_attention_layernorm"},
          {"blk.{}.attn_qkv", "gpt_neox.layers.{}.attention.query_key_value", GgufChange::apart},
          {"blk.{}.attn_output", "gpt_neox.layers.{}.attention.dense"},
          {"blk.{}.ffn_up", "gpt_neox.layers.{}.mlp.dense_h_to_4h"},
          {"blk.{}.ffn_down", "gpt_neox.layers.{}.mlp.dense_4h_to_h"}};
}

Names gpt2_names() {
  return {{"token_embd", "transformer.wte"},
          {"position_embd", "transformer.wpe"},
          {"output_norm", "transformer.ln_f"},
          {"output", "lm_head"},
          {"blk.{}.attn_norm", "transformer.h.{}.ln_1"},
          {"blk.{}.ffn_norm", "transformer.h.{}.ln_2"},
          {"blk.{}.attn_qkv", "transformer.h.{}.attn.c_attn", GgufChange::transposed},
          {"blk.{}.attn_output", "transformer.h.{}.attn.c_proj", GgufChange::transposed},
          {"blk.{}.ffn_up", "transformer.h.{}.mlp.c_fc", GgufChange::transposed},
          {"blk.{}.ffn_down", "transformer.h.{}.mlp.c_proj", GgufChange::transposed}};
}

Keys gpt2_keys() {
  return {{"context_length", "n_positions"},
          {"embedding_length", "n_embd"},
          {"block_count", "n_layer"},
          {"feed_forward_length", "n_inner", GgufKeyKind::size, false},
          {"attention.head_count", "n_head"},
          {"attention.layer_norm_epsilon", "layer_norm_epsilon", GgufKeyKind::real, true, 1e-5}};
}

Keys neox_keys() {
  return joined(size_keys(), Keys{{"attention.layer_norm_epsilon", "layer_norm_eps", GgufKeyKind::real, true, 1e-5},
                                  {"use_parallel_residual", "use_parallel_residual", GgufKeyKind::flag, false}});
}

Keys cohere_keys() {
  return joined(size_keys(), Keys{{"attention.head_count_kv", "num_key_value_heads", GgufKeyKind::size, false},
                                  {"attention.layer_norm_epsilon", "layer_norm_eps", GgufKeyKind::real, true, 1e-5},
                                  {"logit_scale", "logit_scale", GgufKeyKind::real, true, 0.0625}});
}

/// The queries and keys of Llama's kind are turned in neighbouring pairs by llama.cpp, those of Qwen's in halves, as
/// Hugging Face has them; Cohere's are neighbours in both.
const std::vector<GgufArchitecture>& gguf_architectures() {
  static const Names kPaired = decoder(attention(GgufChange::paired_queries, GgufChange::paired_keys));
  static const Names kPlain = decoder(attention());
  static const std::vector<GgufArchitecture> kArchitectures = {
      {"llama", "llama", "LlamaForCausalLM", rms_keys(), kPaired},
      {"qwen2", "qwen2", "Qwen2ForCausalLM", rms_keys(), kPlain},
      {"qwen3", "qwen3", "Qwen3ForCausalLM", rms_keys(), joined(kPlain, query_key_norms())},
      {"gemma2", "gemma2", "Gemma2ForCausalLM", gemma_keys(), gemma(false), GgufRotary::whole_head, false},
      {"gemma3", "gemma3_text", "Gemma3ForCausalLM", gemma_keys(), gemma(true), GgufRotary::whole_head, false},
      {"phi3", "phi3", "Phi3ForCausalLM", joined(rms_keys(1e-5), window_key()), phi3_names(), GgufRotary::part_of_head},
      {"gptneox", "gpt_neox", "GPTNeoXForCausalLM", neox_keys(), neox_names(), GgufRotary::part_of_head, false},
      {"olmo2", "olmo2", "Olmo2ForCausalLM", rms_keys(1e-5), olmo2_names()},
      {"command-r", "cohere", "CohereForCausalLM", cohere_keys(), joined(kPlain, query_key_norms())},
      {"smollm3", "smollm3", "SmolLM3ForCausalLM", rms_keys(), kPaired},
      {"gpt2", "gpt2", "GPT2LMHeadModel", gpt2_keys(), gpt2_names(), GgufRotary::none, false},
  };
  return kArchitectures;
}

constexpr std::string_view kNumberPlace = "{}";

/// The text of a pattern's "{}" in a name, empty for a pattern without; nothing where the name does not fit.
std::optional<std::string_view> number_in(std::string_view name, std::string_view pattern) {
  const std::size_t place = pattern.find(kNumberPlace);
  if (place == std::string_view::npos) return name == pattern ? std::optional<std::string_view>("") : std::nullopt;
  const std::string_view before = pattern.substr(0, place);
  const std::string_view after = pattern.substr(place + kNumberPlace.size());
  if (name.size() <= before.size() + after.size() || !name.starts_with(before) || !name.ends_with(after))
    return std::nullopt;
  const std::string_view number = name.substr(before.size(), name.size() - before.size() - after.size());
  const bool is_number = std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; });
  return is_number ? std::optional<std::string_view>(number) : std::nullopt;
}

std::optional<GgufName> translated(const GgufArchitecture& architecture, std::string_view name,
                                   std::string_view GgufTensorName::*from, std::string_view GgufTensorName::*to) {
  const std::size_t dot = name.rfind('.');
  const std::string_view end = dot == std::string_view::npos ? std::string_view() : name.substr(dot);
  if (end != ".weight" && end != ".bias") return std::nullopt;
  for (const GgufTensorName& known : architecture.names) {
    const std::optional<std::string_view> number = number_in(name.substr(0, dot), known.*from);
    if (!number) continue;
    std::string other(known.*to);
    if (!number->empty()) other.replace(other.find(kNumberPlace), kNumberPlace.size(), *number);
    const bool is_bias_in_place = known.change == GgufChange::transposed && end == ".bias";
    return GgufName{other + std::string(end), is_bias_in_place ? GgufChange::none : known.change};
  }
  return std::nullopt;
}

}  // namespace

const GgufArchitecture* find_gguf_architecture(std::string_view name) {
  for (const GgufArchitecture& architecture : gguf_architectures())
    if (architecture.name == name) return &architecture;
  return nullptr;
}

const GgufArchitecture* gguf_architecture_of(std::string_view model_type) {
  // Mistral is Llama with a window, and has no name of its own in GGUF.
  const std::string_view wanted = model_type == "mistral" ? "llama" : model_type;
  for (const GgufArchitecture& architecture : gguf_architectures())
    if (architecture.model_type == wanted) return &architecture;
  return nullptr;
}

std::string gguf_architecture_names() {
  std::string names;
  for (const GgufArchitecture& architecture : gguf_architectures())
    names += (names.empty() ? "" : ", ") + std::string(architecture.name);
  return names;
}

std::optional<GgufName> huggingface_name(const GgufArchitecture& architecture, std::string_view gguf) {
  return translated(architecture, gguf, &GgufTensorName::gguf, &GgufTensorName::huggingface);
}

std::optional<GgufName> gguf_name(const GgufArchitecture& architecture, std::string_view huggingface) {
  return translated(architecture, huggingface, &GgufTensorName::huggingface, &GgufTensorName::gguf);
}

}  // namespace temper

#include "runtime/config/config_keys.h"

#include <fmt/format.h>

#include "runtime/tasks/operating_points.h"
#include "runtime/tasks/task.h"
#include "runtime/updates/update_rule.h"

namespace temper {
namespace {

KeyRange at_least(double least) { return {least, std::numeric_limits<double>::infinity(), true, true}; }
KeyRange above(double least) { return {least, std::numeric_limits<double>::infinity(), false, true}; }
KeyRange between(double least, double most) { return {least, most, true, true}; }
KeyRange inside(double least, double most) { return {least, most, false, false}; }
KeyRange from_below(double least, double most) { return {least, most, true, false}; }

/// A key that lies at `member` of `part` of a configuration.
template <typename Section, typename Member>
std::function<KeyTarget(Configuration&)> at(Section Configuration::*part, Member Section::*member) {
  return [part, member](Configuration& configuration) { return KeyTarget(&((configuration.*part).*member)); };
}

/// The same of a hyper-parameter of update rules.
template <typename Member>
std::function<KeyTarget(Configuration&)> at(Member UpdateSettings::*member) {
  return [member](Configuration& configuration) { return KeyTarget(&(configuration.train.update.*member)); };
}

/// The update rules, and what each of them reads.
std::string describe_update_rules() {
  std::string text = "Update rule:";
  for (const UpdateRule& rule : update_rules())
    text += fmt::format("{} {} ({})", &rule == &update_rules().front() ? "" : ",", rule.summary,
                        fmt::join(rule.hyper_parameters, ", "));
  return text + ".";
}

/// The help of a hyper-parameter, with the rules whose default is another one.
std::string with_defaults(std::string help, std::string_view name) {
  for (const UpdateRule& rule : update_rules())
    for (const auto& [key, value] : rule.defaults)
      if (key == name) help += fmt::format(" Default of {}: {}.", rule.name, value);
  return help;
}

std::vector<ConfigurationKey> make_keys() {
  std::vector<ConfigurationKey> keys;
  using C = Configuration;
  const auto add = [&](const char* section, const char* name, std::function<KeyTarget(C&)> target, std::string help) {
    keys.push_back({section, name, std::move(target), std::move(help)});
    return &keys.back();
  };
  const auto no_weights = [&] { keys.back().decides_weights = false; };

  using M = ModelSection;
  add("model", "path", at(&C::model, &M::path),
      "Folder of the pre-trained model in Hugging Face layout, or a GGUF file.")
      ->required = true;
  no_weights();  // the model is known by its digest, not by where it lies
  add("model", "task", at(&C::model, &M::task),
      "Task that the model is fine-tuned for; it decides the head, the loss and the metrics.")
      ->choices = task_names();
  add("model", "replace_head", at(&C::model, &M::replace_head),
      "Replace a stored head of a different size with a new one, instead of refusing the model.");
  add("model", "initialize", at(&C::model, &M::initialize),
      "Train a model from nothing: model.path needs config.json and a tokenizer, and all weights are drawn, by the "
      "rules "
      "of the architecture and train.seed; weights in the folder are not read.");
  add("model", "dropout", at(&C::model, &M::dropout),
      "Replaces every dropout rate of the model; below 0: the rates in config.json.")
      ->range = from_below(-1, 1);
  add("model", "adapter", at(&C::model, &M::adapter),
      "Folder of an adapter (PEFT) that is trained further, in place of new ones; its adapter_config.json says what "
      "[lora] would.");

  using D = DataSection;
  add("data", "train", at(&C::data, &D::train),
      "Rows to train on: .csv, .tsv, .jsonl, .json or, for language models, .txt, each optionally with .gz; several "
      "files as an array, or as a pattern such as \"data/*.csv\"; or a folder, of which the .txt files are read.")
      ->required = true;
  no_weights();  // the rows are known by the file's digest
  add("data", "train_weights", at(&C::data, &D::train_weights),
      "Mixes the files of data.train by weight, one for each name there: an epoch takes each row of the first once, "
      "and "
      "of the others as many as their weights say beside the first's ([3, 1]: one row of the second for three of the "
      "first), some of a large file, and the rows of a small one more than once. Empty: each row of every file once.")
      ->range = above(0);
  add("data", "validation", at(&C::data, &D::validation),
      "Rows by which the best model is chosen; files as for train.");
  add("data", "test", at(&C::data, &D::test), "Rows for the final evaluation; files as for train.");
  no_weights();
  add("data", "text", at(&C::data, &D::text), "Column of the text.");
  add("data", "text_pair", at(&C::data, &D::text_pair), "Column of a second text; empty: one text per row.");
  add("data", "label", at(&C::data, &D::label),
      "Column of the label; for multi-label also an array: one column per label, of 0 and 1.");
  add("data", "image", at(&C::data, &D::image),
      "Images: column of the path of a picture, which counts from the folder of the file that lists it.");
  add("data", "group", at(&C::data, &D::group),
      "Images: column of what rows belong to, a patient, say. Rows of a group are never split: a set that is split off "
      "takes whole groups, and the same group in two sets is refused. Intervals of metrics are those over groups.");
  add("data", "labels", at(&C::data, &D::labels), "Label names in the order of their ids; empty: those of the data.");
  add("data", "max_length", at(&C::data, &D::max_length),
      "Maximum tokens per row, special tokens included; longer rows are truncated.")
      ->range = at_least(2);
  add("data", "truncate", at(&C::data, &D::truncate),
      "Which end of a text that is too long is cut off; tokenizer: as the tokenizer's files say (right, for most).")
      ->choices = {"tokenizer", "left", "right"};
  add("data", "cache_dir", at(&C::data, &D::cache_dir), "Folder for cached tokenised rows; empty: <output.dir>/cache.");
  no_weights();
  add("data", "cache", at(&C::data, &D::cache), "Cache tokenised rows for the next start.");
  no_weights();
  add("data", "documents", at(&C::data, &D::documents),
      "What a row of a .txt file is: a line, a paragraph (up to a blank line) or the whole file.")
      ->choices = {"line", "paragraph", "file"};
  add("data", "format", at(&C::data, &D::format),
      "causal-lm: what a row is (dpo: pairs of answers, always). conversations: each object of a .jsonl or .json file, "
      "with messages, conversations "
      "(from and value), prompt and completion, or instruction and output; text: the column data.text; auto: "
      "conversations where the first row of data.train has no such column and is one.")
      ->choices = {"auto", "text", "conversations"};
  add("data", "learn", at(&C::data, &D::learn),
      "Conversations: what is learnt. assistant: the turns of data.learn_roles, each with the token that ends it; "
      "last: "
      "of these the last one alone; all: every token.")
      ->choices = {"assistant", "last", "all"};
  add("data", "learn_roles", at(&C::data, &D::learn_roles), "Conversations: whose turns are learnt.");
  add("data", "chat_template", at(&C::data, &D::chat_template),
      "Conversations: the template that makes them text. tokenizer: the model's own; none: prompt and completion are "
      "one "
      "text; or a file with a Jinja template, which is then exported with the model.");
  add("data", "template_date", at(&C::data, &D::template_date),
      "Conversations: the date that templates write (strftime_now). One date for all rows, so that a run that goes on "
      "another day reads the same texts.");
  add("data", "pack", at(&C::data, &D::pack),
      "causal-lm: what a training row of max_length tokens holds. documents: whole documents and pieces of longer "
      "ones, "
      "each a sequence of its own, none attended to from another; blocks: all documents one after the other, cut into "
      "sequences of max_length; none: one document.")
      ->choices = {"documents", "blocks", "none"};
  add("data", "long_documents", at(&C::data, &D::long_documents),
      "causal-lm: what becomes of documents of more than max_length tokens: they are split into pieces, cut, or "
      "refused; conversations may also be dropped. dpo: pairs of which an answer with its prompt is longer are cut "
      "(also where this says split), refused or dropped.")
      ->choices = {"split", "cut", "refuse", "drop"};
  add("data", "end_token", at(&C::data, &D::end_token),
      "causal-lm: the token behind each document: the tokenizer's end token (eos_token), none, or the token itself, "
      "such as \"<|endoftext|>\".");
  add("data", "shuffle", at(&C::data, &D::shuffle), "Shuffle the rows anew in each epoch.");
  add("data", "validation_fraction", at(&C::data, &D::validation_fraction),
      "Without data.validation: the fraction of the training rows that is held out for validation.")
      ->range = from_below(0, 1);

  using T = TuningSection;
  add("tuning", "freeze", at(&C::tuning, &T::freeze),
      "Patterns of parameters that are not trained: names, ranges (encoder.layer.0-3), globs; \"*\" is everything "
      "except the head.");
  add("tuning", "layer_decay", at(&C::tuning, &T::layer_decay),
      "Layer-wise learning-rate decay: each layer's rate is this factor times the rate of the layer above.")
      ->range = {0, 1, false, true};
  add("tuning", "rates", at(&C::tuning, &T::rates),
      "Factors on the learning rate by pattern, e.g. { classifier = 10.0 }; if several patterns match, the longest "
      "applies.");
  add("tuning", "phases", at(&C::tuning, &T::phases),
      "Array of phases, each { freeze = [...], epochs | steps | fraction = ..., plateau_patience, learning_rate, "
      "layer_decay, warmup_steps, merge_adapters }; the last one may be open-ended.");
  add("tuning", "frozen_dropout", at(&C::tuning, &T::frozen_dropout),
      "Keep dropout in the frozen layers at the bottom, as transformers does; they are then computed in every step.");
  add("tuning", "frozen_cache", at(&C::tuning, &T::frozen_cache),
      "Compute the output of the frozen layers at the bottom once per row, if a phase lasts an epoch or more.");

  using L = LoraSection;
  add("lora", "rank", at(&C::lora, &L::rank),
      "LoRA: rank of the adapters that are trained in place of the model; 0: none, the model itself is trained.")
      ->range = between(0, 65536);
  add("lora", "alpha", at(&C::lora, &L::alpha), "Adapters are scaled by alpha / rank; 0: the rank, so by 1.")->range =
      at_least(0);
  add("lora", "dropout", at(&C::lora, &L::dropout), "Dropout of what the adapters multiply.")->range = from_below(0, 1);
  add("lora", "targets", at(&C::lora, &L::targets),
      "Which modules have adapters: attention, mlp or all-linear (all but the head); an array of names, each the end "
      "of "
      "a path ([\"q_proj\", \"v_proj\"]); or a regular expression that matches whole paths.");
  add("lora", "exclude", at(&C::lora, &L::exclude), "Modules that have none though targets names them; written alike.");
  add("lora", "rslora", at(&C::lora, &L::rslora), "rsLoRA: scale by alpha / sqrt(rank).");
  add("lora", "dora", at(&C::lora, &L::dora), "DoRA: train the length of each row of the weights as well.");
  add("lora", "bias", at(&C::lora, &L::bias),
      "Biases that are trained as well: none, all, or those of the modules with adapters.")
      ->choices = {"none", "all", "lora_only"};
  add("lora", "modules_to_save", at(&C::lora, &L::modules_to_save),
      "Modules that are trained in full and saved with the adapters, by the end of their paths. The heads of "
      "classification and regression are among them by themselves.");
  add("lora", "rank_pattern", at(&C::lora, &L::rank_pattern),
      "Ranks by module: { down_proj = 16, \"layers.0.*\" = 4 }, expressions for the end of a path; if several match, "
      "the longest applies.");
  add("lora", "alpha_pattern", at(&C::lora, &L::alpha_pattern), "Alphas by module, likewise.");
  add("lora", "layers", at(&C::lora, &L::layers),
      "Numbers of the layers whose modules have adapters, where targets is an array; empty: all.")
      ->range = {0, 1e6};
  add("lora", "layers_pattern", at(&C::lora, &L::layers_pattern),
      "What the modules are called that these numbers count (layers, h); empty: any.");

  using R = TrainSection;
  add("train", "epochs", at(&C::train, &R::epochs), "Passes over the training rows.")->range = above(0);
  add("train", "max_steps", at(&C::train, &R::max_steps),
      "Number of optimizer steps, overriding train.epochs; 0: as many as train.epochs needs.")
      ->range = at_least(0);
  add("train", "batch_size", at(&C::train, &R::batch_size), "Rows per optimizer step, over all ranks.")->range =
      at_least(1);
  add("train", "gradient_accumulation", at(&C::train, &R::gradient_accumulation),
      "Gradient accumulation: computes each batch in this many parts, one after the other, to save memory.")
      ->range = at_least(1);
  add("train", "learning_rate", at(&C::train, &R::learning_rate), "Peak of the learning-rate schedule.")->range =
      above(0);
  using U = UpdateSettings;
  add("train", "optimizer", at(&U::rule), describe_update_rules())->choices = update_rule_names();
  add("train", "weight_decay", at(&U::weight_decay), "Weight decay of matrices; biases and norms are excluded.")
      ->range = at_least(0);
  add("train", "beta1", at(&U::beta1),
      "AdamW: decay of the first moment. Lion: weight of the momentum in the update direction.")
      ->range = from_below(0, 1);
  add("train", "beta2", at(&U::beta2),
      with_defaults("AdamW: decay of the second moment. Lion: decay of the momentum.", "beta2"))
      ->range = from_below(0, 1);
  add("train", "epsilon", at(&U::epsilon),
      with_defaults("AdamW: added to the square root of the second moment. Adafactor: added to squared gradients.",
                    "epsilon"))
      ->range = above(0);
  add("train", "momentum", at(&U::momentum), "SGD: momentum factor.")->range = from_below(0, 1);
  add("train", "decay_rate", at(&U::decay_rate), "Adafactor: in step t, squared gradients decay by 1 - t^-decay_rate.")
      ->range = inside(0, 1);
  add("train", "clip_threshold", at(&U::clip_threshold),
      "Adafactor: the largest root mean square of a parameter's update, before the learning rate.")
      ->range = above(0);
  add("train", "scale_parameter", at(&U::scale_parameter),
      "Adafactor: scale the learning rate by each parameter's root mean square, as in the paper.");
  add("train", "precision", at(&C::train, &R::precision),
      "Type of weights and activations in matrix products and attention; with bf16, sums, norms, losses and the "
      "optimizer stay f32. If the device does not support bf16 (a processor without AVX-512 BF16), the run says so and "
      "computes in f32.")
      ->choices = {"f32", "bf16"};
  add("train", "checkpoint_activations", at(&C::train, &R::checkpoint_activations),
      "Activation checkpointing, which trades time for memory: keep activations only at every layer boundary (blocks) "
      "or every n-th, and recompute the others in the backward pass. The result is the same, bit for bit.");
  keys.back().choices = {"none", "blocks"};
  keys.back().range = at_least(1);
  no_weights();
  add("train", "schedule", at(&C::train, &R::schedule), "Learning-rate schedule after the warmup.")->choices = {
      "constant", "linear", "cosine"};
  add("train", "warmup_ratio", at(&C::train, &R::warmup_ratio),
      "Warmup: fraction of the steps over which the learning rate rises from 0.")
      ->range = between(0, 1);
  add("train", "warmup_steps", at(&C::train, &R::warmup_steps), "Warmup in steps; above 0 it overrides warmup_ratio.")
      ->range = at_least(0);
  add("train", "clip_norm", at(&C::train, &R::clip_norm), "Maximum norm of the gradient (clipping); 0: no clipping.")
      ->range = at_least(0);
  add("train", "label_smoothing", at(&C::train, &R::label_smoothing),
      "Fraction of the target that is spread over all classes; of a language model, over the vocabulary.")
      ->range = from_below(0, 1);
  add("train", "z_loss", at(&C::train, &R::z_loss),
      "Adds this times the square of the logarithm of the softmax's denominator to the loss, which keeps logits from "
      "drifting (PaLM: 0.0001); 0: nothing. Of losses with a softmax, in training alone.")
      ->range = at_least(0);
  add("train", "class_weights", at(&C::train, &R::class_weights),
      "Class weights in the loss: none, or balanced by inverse frequency.")
      ->choices = {"none", "balanced"};
  add("train", "class_weight_values", at(&C::train, &R::class_weight_values),
      "One weight per class, in the order of the labels.")
      ->range = at_least(0);
  add("train", "mup_base_width", at(&C::train, &R::mup_base_width),
      "Width scaling (muP; Yang et al. 2022, table 8): the width at which learning_rate was found. Matrices of the "
      "blocks learn, and are drawn, as that width and the model's demand; the norm before the head carries the output "
      "multiplier. 0: off.")
      ->range = at_least(0);
  add("train", "seed", at(&C::train, &R::seed), "Seed of shuffling, dropout and newly initialised weights.")->range =
      at_least(0);
  add("train", "grains", at(&C::train, &R::grains),
      "Number of parts of a batch whose gradients are summed in one fixed order: any number of ranks up to it gives "
      "the same bits. 0: the number of ranks at the first start.")
      ->range = between(0, 4096);
  add("train", "sum_order", at(&C::train, &R::sum_order),
      "Order in which gradients are summed over GPUs: fixed gives the same bits on any number of ranks, library lets "
      "NCCL choose.")
      ->choices = {"fixed", "library"};
  add("train", "compress_gradients", at(&C::train, &R::compress_gradients),
      "Compression of the gradients that CPU ranks send between nodes: none, or rounding to bf16 with error feedback "
      "(the residual is added to what is sent in the next step). With bf16 the bits depend on the number of nodes, and "
      "a run that was stopped by a signal resumes with different bits than one that was not stopped.")
      ->choices = {"none", "bf16"};
  add("train", "batch_norm", at(&C::train, &R::batch_norm),
      "Of convolutional nets: by what batch norms norm in training. frozen: the running mean and variance of the "
      "model, "
      "which stay as they are. live: those of the rows of each grain (of each micro-batch of it), so choose "
      "train.grains "
      "such that a grain has enough images; the running ones move once per step, by a tenth towards the mean over the "
      "grains.")
      ->choices = {"frozen", "live"};
  add("train", "early_stopping", at(&C::train, &R::early_stopping),
      "Ends the run after this many evaluations without improvement; 0: never.")
      ->range = at_least(0);
  add("train", "metric", at(&C::train, &R::metric),
      "Metric by which the best model is chosen; empty: the default of the task.");

  using I = ImagesSection;
  add("images", "size", at(&C::images, &I::size),
      "Pixels of a side of what the model sees; 0: as its preprocessor_config.json says.")
      ->range = between(0, 8192);
  add("images", "unreadable", at(&C::images, &I::unreadable),
      "What becomes of a picture that cannot be read, before the first step or later: stop the run, or skip it: the "
      "next one in the list takes its place, and they are counted. With skip every picture is decoded before the first "
      "step.")
      ->choices = {"stop", "skip"};
  add("images", "cache_mib", at(&C::images, &I::cache_mib),
      "Memory, in MiB per rank, for decoded pictures, which are then decoded once.")
      ->range = at_least(0);
  no_weights();
  add("images", "cache_file_mib", at(&C::images, &I::cache_file_mib),
      "Room on the disk of run.cache_dir, in MiB per rank, for decoded pictures for which there is no memory; never "
      "more "
      "than a quarter of what is free there, and nothing where the disk is memory.")
      ->range = at_least(0);
  no_weights();
  add("images", "most_megapixels", at(&C::images, &I::most_megapixels),
      "Pictures of more million pixels (width times height) are refused before memory is taken for them.")
      ->range = between(1, 4096);
  no_weights();
  add("images", "frame", at(&C::images, &I::frame),
      "DICOM, TIFF, NIfTI: which frame, page or volume of a file with several, from 0; below 0: such a file is "
      "refused.")
      ->range = at_least(-1);
  add("images", "axis", at(&C::images, &I::axis), "NIfTI: the axis along which slices are counted.")->range =
      between(0, 2);
  add("images", "slice", at(&C::images, &I::slice), "NIfTI: which slice, from 0; below 0: the middle one.")->range =
      at_least(-1);
  add("images", "window", at(&C::images, &I::window),
      "Centre and width, in the units of the file's values, of what lies between black and white, in every format; "
      "empty: as the file says.");

  using A = AugmentSection;
  add("augment", "horizontal_flip", at(&C::augment, &A::horizontal_flip),
      "Images: share of the pictures of an epoch that are mirrored. Set it to 0 where left and right differ.")
      ->range = between(0, 1);
  add("augment", "vertical_flip", at(&C::augment, &A::vertical_flip), "Share that is turned upside down.")->range =
      between(0, 1);
  add("augment", "crop_scale", at(&C::augment, &A::crop_scale),
      "Each time another part of a picture is seen, of between these shares of its area; empty: always all of it.")
      ->range = KeyRange{0, 1, false, true};
  add("augment", "rotation", at(&C::augment, &A::rotation), "Turned by up to so many degrees.")->range =
      between(0, 180);
  add("augment", "brightness", at(&C::augment, &A::brightness), "Brighter or darker by up to this share.")->range =
      between(0, 1);
  add("augment", "contrast", at(&C::augment, &A::contrast), "More or less contrast, by up to this share.")->range =
      between(0, 1);
  add("augment", "saturation", at(&C::augment, &A::saturation), "More or less colour, by up to this share.")->range =
      between(0, 1);
  add("augment", "erasing", at(&C::augment, &A::erasing), "Share of the pictures of which a rectangle is erased.")
      ->range = between(0, 1);
  add("augment", "randaugment", at(&C::augment, &A::randaugment),
      "RandAugment (Cubuk, Zoph, Shlens, Le 2020): so many operations drawn for each picture; 0: none.")
      ->range = between(0, 8);
  add("augment", "randaugment_magnitude", at(&C::augment, &A::randaugment_magnitude),
      "RandAugment: how strong they are, of 30.")
      ->range = between(0, 30);
  add("augment", "mixup", at(&C::augment, &A::mixup),
      "Mixup (Zhang, Cisse, Dauphin, Lopez-Paz 2018): blends each picture, and its label, with another; the parameter "
      "of "
      "the beta distribution that says how much. 0: no.")
      ->range = between(0, 8);
  add("augment", "cutmix", at(&C::augment, &A::cutmix),
      "CutMix (Yun et al. 2019): puts a rectangle of another picture into each; as augment.mixup. 0: no.")
      ->range = between(0, 8);

  using P = PreferenceSection;
  add("preference", "beta", at(&C::preference, &P::beta),
      "dpo: how strongly the model is held to what it was before; the larger, the nearer it stays. ipo: the margin "
      "that is aimed at is 1 / (2 beta).")
      ->range = above(0);
  add("preference", "loss", at(&C::preference, &P::loss),
      "dpo: sigmoid is the loss of direct preference optimisation (Rafailov et al. 2023); ipo the squared distance "
      "from "
      "a margin (Azar et al. 2023), which does not grow without end where preferences never contradict each other.")
      ->choices = {"sigmoid", "ipo"};
  add("preference", "label_smoothing", at(&C::preference, &P::label_smoothing),
      "dpo, sigmoid: the share of the pairs that is taken to be the wrong way round (conservative DPO).")
      ->range = from_below(0, 0.5);
  add("preference", "length_normalized", at(&C::preference, &P::length_normalized),
      "dpo: divide an answer's logarithm of probability by the number of its tokens, so that long answers weigh no "
      "more "
      "than short ones; beta is then larger, 2 say.");

  using E = EvaluateSection;
  add("evaluate", "every_steps", at(&C::evaluate, &E::every_steps),
      "Steps between evaluations; 0: at the end of each epoch.")
      ->range = at_least(0);
  add("evaluate", "sets", at(&C::evaluate, &E::sets),
      "Named rows to evaluate on besides the validation rows, each with name, data (files as for data.train) and, "
      "optionally, every_steps: [{ name = \"old-intents\", data = \"old.csv\", every_steps = 100 }]. The best model is "
      "chosen by the validation rows alone.");
  no_weights();
  add("evaluate", "batch_size", at(&C::evaluate, &E::batch_size), "Rows per evaluation batch.")->range = at_least(1);
  no_weights();
  add("evaluate", "stride", at(&C::evaluate, &E::stride),
      "causal-lm: measure with windows of max_length tokens that begin so many tokens behind one another, so that each "
      "token has at least max_length - stride tokens before it where its document has them; 0: pieces side by side.")
      ->range = at_least(0);
  no_weights();
  add("evaluate", "threshold", at(&C::evaluate, &E::threshold),
      "Multi-label: labels with a probability above this are predicted.")
      ->range = inside(0, 1);
  add("evaluate", "positive", at(&C::evaluate, &E::positive),
      "One class per row: the class that is told from the others, such as the disease; auroc, average_precision, "
      "sensitivity and specificity are of it alone. Empty: of two classes the second, else each against the rest, and "
      "the mean of these.");
  add("evaluate", "calibrate", at(&C::evaluate, &E::calibrate),
      "Once the best model is known, choose thresholds and a temperature on its validation rows, which are used for "
      "the "
      "test rows, kept with the model, and used by temper eval and predict; figures of the test rows get intervals, "
      "and "
      "pictures are drawn (figures/ in output.dir). auto: for images.")
      ->choices = {"auto", "yes", "no"};
  no_weights();
  add("evaluate", "threshold_by", at(&C::evaluate, &E::threshold_by),
      "Which threshold decides: youden: the one with the largest sensitivity + specificity; specificity: with the "
      "largest sensitivity at a specificity of at_specificity or more; sensitivity: with the largest specificity at a "
      "sensitivity of at_sensitivity or more. All three are chosen on validation rows, and reported.")
      ->choices = {kThresholdRules.begin(), kThresholdRules.end()};
  no_weights();
  add("evaluate", "at_specificity", at(&C::evaluate, &E::at_specificity),
      "Specificity at which the sensitivity is reported.")
      ->range = inside(0, 1);
  no_weights();
  add("evaluate", "at_sensitivity", at(&C::evaluate, &E::at_sensitivity),
      "Sensitivity at which the specificity is reported.")
      ->range = inside(0, 1);
  no_weights();
  add("evaluate", "resamples", at(&C::evaluate, &E::resamples),
      "Resamples of the test rows (of whole groups, such as patients, where rows have groups) from which intervals are "
      "computed; 0: no intervals.")
      ->range = between(0, 1000000);
  no_weights();
  add("evaluate", "resample_seed", at(&C::evaluate, &E::resample_seed), "Seed of the resamples.")->range = at_least(0);
  no_weights();

  using K = CheckpointSection;
  add("checkpoint", "every_steps", at(&C::checkpoint, &K::every_steps),
      "Steps between checkpoints; 0: at the end of each epoch.")
      ->range = at_least(0);
  no_weights();
  add("checkpoint", "every_minutes", at(&C::checkpoint, &K::every_minutes),
      "Also save every so many minutes; 0: do not.")
      ->range = at_least(0);
  no_weights();
  add("checkpoint", "keep", at(&C::checkpoint, &K::keep), "Number of checkpoints that are kept, besides the best one.")
      ->range = at_least(1);
  no_weights();
  add("checkpoint", "resume", at(&C::checkpoint, &K::resume), "Resume from the newest good checkpoint in output.dir.");
  no_weights();

  using O = OutputSection;
  add("output", "dir", at(&C::output, &O::dir), "Folder for checkpoints, logs and the exported model.");
  no_weights();
  add("output", "log_every", at(&C::output, &O::log_every), "Steps between two log lines.")->range = at_least(1);
  no_weights();
  add("output", "tensorboard", at(&C::output, &O::tensorboard), "Write TensorBoard event files.");
  no_weights();
  add("output", "export_model", at(&C::output, &O::export_model), "Write the best model to <output.dir>/model.");
  no_weights();

  using N = RunSection;
  add("run", "device", at(&C::run, &N::device),
      "Where to compute; auto: on GPUs if the program is built for them and every rank finds one.")
      ->choices = {"auto", "cpu", "cuda"};
  no_weights();
  add("run", "gpu_communication", at(&C::run, &N::gpu_communication),
      "Communication between GPUs: NCCL, or MPI through host memory; auto: NCCL if it can be started.")
      ->choices = {"auto", "nccl", "mpi"};
  no_weights();
  add("run", "cuda_graphs", at(&C::run, &N::cuda_graphs),
      "Capture the GPU work of a micro-batch as a CUDA graph and replay it for others of the same shape; useful if all "
      "rows have the same length.");
  no_weights();
  add("run", "threads", at(&C::run, &N::threads), "Threads per rank; 0: the cores that it may use.")->range =
      between(0, 1024);
  no_weights();
  add("run", "timeout_seconds", at(&C::run, &N::timeout_seconds),
      "Time limit of a wait for other ranks: a rank that waits longer reports it and ends the run. At most 60 s apply "
      "while the ranks first connect.")
      ->range = above(0);
  no_weights();
  add("run", "max_minutes", at(&C::run, &N::max_minutes),
      "Saves and exits with status 75 before the run has lasted this many minutes since this start; 0: no limit. The "
      "end of a Slurm job, if known (SLURM_JOB_END_TIME), is respected without it.")
      ->range = at_least(0);
  no_weights();
  add("run", "cache_memory_mib", at(&C::run, &N::cache_memory_mib),
      "Memory per node, in MiB, for the cached output of frozen layers; if it does not fit, it goes into a file.")
      ->range = between(0, 1 << 30);
  no_weights();
  add("run", "cache_dir", at(&C::run, &N::cache_dir),
      "Folder for that file, on the node's own storage; empty: $TMPDIR, or /tmp.");
  no_weights();
  add("run", "keep_cache", at(&C::run, &N::keep_cache),
      "Keep the output of frozen layers in run.cache_dir for later runs with the same rows and frozen weights.");
  no_weights();
  return keys;
}

}  // namespace

bool KeyRange::contains(double value) const {
  const bool above_least = least_allowed ? value >= least : value > least;
  const bool below_most = most_allowed ? value <= most : value < most;
  return above_least && below_most;
}

std::string KeyRange::text() const {
  const bool bounded_below = least > -std::numeric_limits<double>::infinity();
  const bool bounded_above = most < std::numeric_limits<double>::infinity();
  const std::string low = fmt::format("{} {}", least_allowed ? "at least" : "above", least);
  const std::string high = fmt::format("{} {}", most_allowed ? "at most" : "below", most);
  if (bounded_below && bounded_above) return low + " and " + high;
  return bounded_below ? low : bounded_above ? high : "";
}

const std::vector<ConfigurationKey>& configuration_keys() {
  static const std::vector<ConfigurationKey> keys = make_keys();
  return keys;
}

bool reads_images(const Configuration& configuration) {
  return is_of_images(task_named(configuration.model.task).head);
}

}  // namespace temper

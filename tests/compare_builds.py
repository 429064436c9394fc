#!/usr/bin/env python3
"""Whether two builds of temper train to the same bytes, with the same figures and the same words.

    tests/compare_builds.py BEFORE/temper AFTER/temper [--ranks 1 2] [--only NAME] [--keep FOLDER]

For changes that must not change what a run does (moves, new seams). Each case below is a sequence of runs in a folder of
its own, made by both programs: the encoders of tests/fixtures, all tasks, and what a run can be told. Compared are every
file of the exported model byte for byte, and metrics.jsonl, standard error and the report without what a clock decides.
The status is 1 where anything differs. Needs Python 3.9 and mpirun; nothing else.
"""
import argparse
import difflib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FIXTURES = Path(__file__).resolve().parent / "fixtures"
CLASS_WORDS = {
    "negative": "bad awful sad hate poor".split(),
    "neutral": "table paper stone window road".split(),
    "positive": "good great happy love nice".split(),
}
FILLER = "the a this is was it and very we they".split()
LONGEST_SECONDS = 300  # of a run
STOPPED = 75  # the status of a run that saved and stopped before its end
BY_CLOCK = {"examples_per_second", "tokens_per_second", "seconds", "seconds_to_first_step", "cache_seconds",
            "last_epoch_examples_per_second", "peak_memory_bytes", "peak_device_memory_bytes",
            "proportional_memory_bytes"}


class Run:
    """One start of the program: overrides ("section.key=value"), flags, and what becomes of the folder before it."""

    def __init__(self, *overrides, flags=(), status=0, remove=None, ranks=None):
        self.overrides, self.flags, self.status, self.remove, self.ranks = overrides, flags, status, remove, ranks


class Unexpected(Exception):
    """A case that cannot go on; a sentence."""


def phases(*texts):
    return "tuning.phases=[" + ", ".join(texts) + "]"


HEAD = '{freeze=["*"], epochs=1}'
REST = '{freeze=["embeddings"], layer_decay=0.8, epochs=2}'
STOP = "run.max_minutes=1e-6"  # is up behind the first step of a start
DROPOUT = "model.dropout=0.1"
# Each start takes a step: neither a cache nor an evaluation is given up instead.
SLOW_PHASES = [phases(HEAD, REST), "train.epochs=3", "tuning.frozen_cache=false", "evaluate.every_steps=100"]
LOWER = 'tuning.freeze=["embeddings", "encoder.layer.0"]'

# Name, fixture, runs.
VARIANTS = [
    ("regression", "bert-classification", [Run("model.task=regression", "data.label=score")]),
    ("multi-label", "bert-classification", [Run("model.task=multi-label", "data.label=tags", "evaluate.threshold=0.4")]),
    ("tokens", "bert-classification", [Run("model.task=token-classification", "data.label=word_labels")]),
    ("masked-lm", "bert-classification", [Run("model.task=masked-lm", DROPOUT)]),
    ("dropout", "bert-classification", [Run(DROPOUT, "train.seed=5")]),
    ("sgd-cosine", "bert-classification", [Run("train.optimizer=sgd", "train.learning_rate=0.1", "train.schedule=cosine")]),
    ("smoothed-balanced", "bert-classification",
     [Run("train.schedule=constant", "train.label_smoothing=0.1", "train.class_weights=balanced", "train.clip_norm=0")]),
    ("accumulated", "bert-classification", [Run("train.gradient_accumulation=3", "train.grains=4", DROPOUT)]),
    ("recomputed", "bert-classification", [Run("train.checkpoint_activations=blocks", DROPOUT)]),
    ("rates", "bert-classification", [Run("tuning.layer_decay=0.9", "tuning.rates={classifier=5.0}")]),
    ("bf16", "bert-classification", [Run("train.precision=bf16", DROPOUT)]),
    ("head-only", "bert-classification", [Run('tuning.freeze=["*"]', DROPOUT)]),
    ("frozen-cache-file", "bert-classification", [Run(LOWER, "run.cache_memory_mib=0", "run.cache_dir=cache")]),
    ("frozen-cache-kept", "bert-classification",
     [Run(LOWER, "run.keep_cache=true", "run.cache_dir=cache"),
      Run(LOWER, "run.keep_cache=true", "run.cache_dir=cache", flags=["--fresh"])]),
    ("frozen-dropout", "bert-classification", [Run(LOWER, "tuning.frozen_dropout=true", DROPOUT)]),
    ("no-frozen-cache", "bert-classification", [Run(LOWER, "tuning.frozen_cache=false", DROPOUT)]),
    ("phases", "bert-classification", [Run(phases(HEAD, REST), "train.epochs=3", DROPOUT)]),
    ("plateau", "bert-classification",
     [Run(phases('{freeze=["*"], epochs=2, learning_rate=1e-9, plateau_patience=1}', "{freeze=[], epochs=1}"),
          "evaluate.every_steps=3")]),
    ("early-stopping", "bert-classification",
     [Run("train.epochs=6", "train.early_stopping=1", "train.learning_rate=1e-7")]),
    ("best-is-earlier", "bert-classification",
     [Run(phases(HEAD, "{freeze=[], epochs=1, learning_rate=5.0}"), "train.clip_norm=0", "train.metric=loss",
          "checkpoint.keep=1")]),
    ("cadence", "bert-classification",
     [Run("evaluate.every_steps=2", "checkpoint.every_steps=5", "checkpoint.keep=9", "output.log_every=3")]),
    ("by-minutes", "bert-classification", [Run("checkpoint.every_minutes=1e-9")]),
    ("no-test", "bert-classification", [Run('data.test=""', "data.validation_fraction=0.2", 'data.validation=""')]),
    ("no-evaluation", "bert-classification", [Run('data.test=""', 'data.validation=""')]),
    ("no-export", "bert-classification", [Run("output.export_model=false"), Run("output.export_model=false")]),
    ("stopped-and-resumed", "bert-classification",
     [Run(DROPOUT, STOP, status=STOPPED), Run(DROPOUT, STOP, status=STOPPED), Run(DROPOUT)]),
    ("stopped-in-phases", "bert-classification",
     [Run(*SLOW_PHASES, STOP, status=STOPPED)] * 7 + [Run(*SLOW_PHASES)]),
    ("stopped-in-cache", "bert-classification", [Run(phases(HEAD, REST), STOP, status=1), Run(phases(HEAD, REST))]),
    ("resumed-on-other-ranks", "bert-classification",
     [Run("train.grains=4", STOP, status=STOPPED, ranks=2), Run("train.grains=4", ranks=3)]),
    ("longer", "bert-classification",
     [Run("train.schedule=constant", "train.epochs=1"), Run("train.schedule=constant", "train.epochs=3")]),
    ("shorter-is-refused", "bert-classification",
     [Run("train.schedule=constant"), Run("train.schedule=constant", "train.epochs=1", status=2)]),
    ("finished-before", "bert-classification", [Run(), Run()]),
    ("model-lost", "bert-classification", [Run(), Run(remove="model")]),
    ("checkpoint-damaged", "bert-classification", [Run(), Run(remove="half of the newest checkpoint")]),
    ("fresh", "bert-classification", [Run(), Run("train.seed=3", flags=["--fresh"])]),
    ("not-finite", "bert-classification",
     [Run("train.learning_rate=1e38", "train.clip_norm=0", "train.optimizer=sgd", "checkpoint.every_steps=1", status=1)]),
]
TASKS = {"ForMaskedLM": ["model.task=masked-lm"],
         "LMHeadModel": ["model.task=causal-lm"],
         "ForCausalLM": ["model.task=causal-lm"],
         "ForTokenClassification": ["model.task=token-classification", "data.label=word_labels"],
         "regression": ["model.task=regression", "data.label=score"],
         "multi_label_classification": ["model.task=multi-label", "data.label=tags"],
         "ForSequenceClassification": []}


def cases():
    """Name, fixture, runs: each fixture with its own task, then the variants."""
    for folder in sorted(path.parent for path in FIXTURES.glob("*/config.json")):
        config = json.loads((folder / "config.json").read_text())
        kind = config.get("problem_type") or config["architectures"][0]
        overrides = next(TASKS[key] for key in TASKS if kind.endswith(key))
        yield folder.name, folder.name, [Run(DROPOUT, *overrides)]
    yield from VARIANTS


def write_tokenizer(folder, config):
    """A WordPiece tokenizer whose words fill the fixture's vocabulary."""
    special = ["[UNK]", "[CLS]", "[SEP]", "[MASK]"] if config["pad_token_id"] == 0 else \
              ["[CLS]", "[SEP]", "[UNK]", "[MASK]"]
    special.insert(config["pad_token_id"], "[PAD]")
    words = special + [word for group in CLASS_WORDS.values() for word in group] + FILLER
    words += [f"unused{i}" for i in range(config["vocab_size"] - len(words))]
    ids = {word: i for i, word in enumerate(words[:config["vocab_size"]])}

    def piece(kind, name):
        return {kind: {"id": name, "type_id": 0}}

    # Without it, the class that belongs to the model_type adds tokens of its own.
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": ids[token], "content": token, "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True} for token in special],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                       "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing",
                           "single": [piece("SpecialToken", "[CLS]"), piece("Sequence", "A"),
                                      piece("SpecialToken", "[SEP]")],
                           "pair": [piece("SpecialToken", "[CLS]"), piece("Sequence", "A"),
                                    piece("SpecialToken", "[SEP]"), piece("Sequence", "B"),
                                    piece("SpecialToken", "[SEP]")],
                           "special_tokens": {token: {"id": token, "ids": [ids[token]], "tokens": [token]}
                                              for token in ("[CLS]", "[SEP]")}},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": ids}}))


def write_data(folder):
    chance = random.Random(11)
    folder.mkdir()
    for name, rows in (("train", 155), ("validation", 41), ("test", 41)):
        lines = ["text,label,score,tags,word_labels"]
        for _ in range(rows):
            kind = chance.randrange(3)
            label = list(CLASS_WORDS)[kind]
            tells = [i == 1 or chance.randrange(3) == 0 for i in range(3 + chance.randrange(8))]
            text = " ".join(chance.choice(CLASS_WORDS[label] if telling else FILLER) for telling in tells)
            tags = ["bad", "", "good|strong" if sum(tells) > 2 else "good"][kind]
            words = " ".join("T" if telling else "O" for telling in tells)
            lines.append(f"{text},{label},{kind / 2},{tags},{words}")
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")


def write_folder(folder, fixture):
    model = folder / "model"
    model.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        shutil.copy(FIXTURES / fixture / name, model / name)
    write_tokenizer(model, json.loads((model / "config.json").read_text()))
    write_data(folder / "data")
    (folder / "run.toml").write_text("""[model]
path = "model"
replace_head = true
[data]
train = "data/train.csv"
validation = "data/validation.csv"
test = "data/test.csv"
max_length = 13
[train]
epochs = 2
batch_size = 32
learning_rate = 5e-3
[output]
dir = "out"
log_every = 1
tensorboard = false
[run]
device = "cpu"
threads = 1
timeout_seconds = 120
""")


def remove(what, out):
    if what == "half of the newest checkpoint":
        newest = max((out / "checkpoints").glob("*.h5"), default=None)
        if newest is None:
            raise Unexpected("the run before has left no checkpoint")
        os.truncate(newest, newest.stat().st_size // 2)
    elif what:
        if not (out / what).is_dir():
            raise Unexpected(f"the run before has left no {what}")
        shutil.rmtree(out / what)


def start(program, folder, run, ranks):
    """Returns status, report and standard error."""
    remove(run.remove, folder / "out")
    command = [str(program), "train", "run.toml", "--json", *run.flags]
    for override in run.overrides:
        command += ["--set", override]
    if (run.ranks or ranks) > 1:
        command = ["mpirun", "-n", str(run.ranks or ranks), "--oversubscribe", "--bind-to", "none", *command]
    environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    # A group of its own, so that all that it starts can be ended with it.
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, errors="replace", start_new_session=True) as process:
        try:
            report, said = process.communicate(timeout=LONGEST_SECONDS)
        except BaseException as error:
            process.terminate()  # mpirun ends its ranks, which are in groups of their own
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                pass
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # all have ended
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            raise Unexpected(f"it had not ended after {LONGEST_SECONDS} s") from error
    return process.returncode, report, said


def without_clock(text):
    """Standard error without rates, durations and what mpirun says."""
    text = re.sub(r"^-{20,}\n.*?^-{20,}\n|^\[[^\]\n]*:\d+\][^\n]*\n", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"\S+ (ex|tok)/s", r"? \1/s", text)
    text = re.sub(r"  (left|eta) .*", "", text)
    return re.sub(r"\b[0-9.]+ (ms|s|seconds|MiB|GiB)\b", r"? \1", text)


def events(text):
    kept = []
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            kept.append(line)
            continue
        kept.append(json.dumps({key: value for key, value in event.items() if key not in BY_CLOCK}))
    return "\n".join(kept)


def result_of(program, folder, fixture, runs, ranks):
    """All that is compared, by name: bytes or text."""
    write_folder(folder, fixture)
    found = {}
    for number, run in enumerate(runs, 1):
        try:
            status, report, said = start(program, folder, run, ranks)
        except Unexpected as error:
            found[f"run {number}: unexpected"] = str(error)
            break
        found[f"run {number}: status"] = str(status)
        found[f"run {number}: report"] = events(report)
        found[f"run {number}: standard error"] = without_clock(said)
        if status != run.status:
            found[f"run {number}: unexpected"] = f"status {status}, not {run.status}\n{said}"
    out = folder / "out"
    if (out / "metrics.jsonl").exists():
        found["metrics.jsonl"] = events((out / "metrics.jsonl").read_text())
    for file in sorted((out / "model").rglob("*")):
        if file.is_file():
            found[str(file.relative_to(out))] = file.read_bytes()
    found["checkpoints"] = "\n".join(sorted(file.name for file in out.glob("checkpoints*/*")))
    return found


def differences(before, after):
    for name in sorted(set(before) | set(after)):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if isinstance(old, str) and isinstance(new, str):
            yield "\n".join([name, *list(difflib.unified_diff(old.splitlines(), new.splitlines(), "before", "after",
                                                              lineterm="", n=1))[:20]])
        else:
            yield f"{name}: " + ("only before" if new is None else "only after" if old is None else "other bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    parser.add_argument("--keep", type=Path, help="leave the runs' folders here")
    options = parser.parse_args()
    programs = {"before": options.before.resolve(), "after": options.after.resolve()}
    for program in programs.values():
        if not os.access(program, os.X_OK) or program.is_dir():
            parser.error(f"{program} is no program")
    if options.keep and options.keep.exists() and any(options.keep.iterdir()):
        parser.error(f"{options.keep} is not empty; --keep needs a folder of its own")
    root = options.keep or Path(tempfile.mkdtemp(prefix="temper-compare-"))
    try:
        return compare(programs, root, options)
    finally:
        if not options.keep:
            shutil.rmtree(root, ignore_errors=True)


def compare(programs, root, options):
    """All cases; the status of the program."""
    differing = unexpected = compared = 0
    for name, fixture, runs in cases():
        for ranks in options.ranks if options.only in name else []:
            with ThreadPoolExecutor(2) as both:
                results = [both.submit(result_of, program, root / side / f"{name}-{ranks}", fixture, runs, ranks)
                           for side, program in programs.items()]
            before, after = (result.result() for result in results)
            if "the architecture" in before.get("run 1: unexpected", "") and "run 1: unexpected" not in after:
                print(f"new     {name} on {ranks} rank{'s' if ranks > 1 else ''}", flush=True)
                continue
            faults = list(differences(before, after))
            compared += 1
            differing += bool(faults)
            print(f"{'DIFFERS' if faults else 'same   '} {name} on {ranks} rank{'s' if ranks > 1 else ''}", flush=True)
            for fault in faults:
                print("    " + fault.replace("\n", "\n    "))
            # A case that does not do what it is there for compares nothing.
            for key in before:
                if key.endswith("unexpected"):
                    unexpected += 1
                    print(f"    before, {key}: " + before[key].replace("\n", "\n    "))
    print(f"{compared} cases, {differing} differ" + (f", {unexpected} runs ended as they should not" if unexpected else ""))
    return 1 if differing or unexpected or compared == 0 else 0


if __name__ == "__main__":
    sys.exit(main())

"""Runs temper and a PyTorch DDP program in turns on the same fine-tune, and prints medians and ratios.

Note: both figures of examples/s are of training alone. The peer times its loop over
the batches. Temper times its steps, from asking for a batch to the updated weights; the test file is evaluated and the
checkpoint written after the last one. Nothing is evaluated, saved or logged in between.
"""

import argparse
import csv
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path

import in_turns
from in_turns import CHECKOUT, NEVER, OptionParser, Refusal, aligned, require, say, shared_folder, status_of

MODES = ("full", "half", "last", "head", "lora")


# ---- options ---------------------------------------------------------------------------------------------------------


def parse_options(arguments=None):
    shared = shared_folder()
    parser = OptionParser(
        "bench/against_ddp.sh",
        "Runs temper and a PyTorch DDP program in turns on the same data, model, ranks and settings, and "
        "prints one table. $TEMPER_SHARED_DIR (default: ../shared beside the checkout) holds the peer and the data.",
        epilog="Example:\n  bench/against_ddp.sh --repeats 3 --json\n  bench/against_ddp.sh --limit 1000 --mode half",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    add = parser.add
    add("--peer", shared / "peer/ddp_baseline.py", "the PyTorch DDP program", type=Path, metavar="FILE")
    parser.add_argument(
        "--python", type=Path, metavar="FILE",
        help="a Python that has torch and transformers (default: that of build/peer-venv, which is made and filled by "
        "pip when it is not there)",
    )
    add("--model", CHECKOUT / "models/all-MiniLM-L6-v2", "BERT in Hugging Face layout", type=Path, metavar="FOLDER")
    add("--data", shared / "data/clinc150", "holds train.csv and test.csv: text, label", type=Path, metavar="FOLDER")
    add("--mode", "full", "what is trained: all, the upper half, the last layer, the head, or the head and LoRA of rank 8 on query and value", choices=MODES)
    add("--precision", "f32", "of products and activations", choices=("f32", "bf16"))
    add("--ranks", 2, "processes", type=int, metavar="N")
    add("--threads", 1, "threads per rank", type=int, metavar="N")
    add("--epochs", 1, "passes over the training rows", type=int, metavar="N")
    add("--batch", 32, "rows per step, over all ranks", type=int, metavar="N")
    add("--lr", 2e-4, "highest learning rate", type=float, metavar="RATE")
    add("--max-length", 64, "tokens per row", type=int, metavar="N")
    add("--limit", 0, "train on so many rows, drawn at random; 0: on all", type=int, metavar="N")
    add("--repeats", 1, "runs of each, one after the other in turns", type=int, metavar="N")
    add("--seed", 0, "of the first run of each; every repeat takes the next", type=int, metavar="N")
    parser.add_json()
    options = parser.parse_args(arguments)
    parser.expect_at_least_one(options, "ranks", "threads", "epochs", "batch", "repeats")
    if options.max_length < 2:
        parser.error(f"--max-length is {options.max_length}; expected at least 2")
    if options.lr <= 0:
        parser.error(f"--lr is {options.lr}; expected a rate above 0")
    if options.limit < 0 or options.seed < 0:
        parser.error("--limit and --seed are not below 0")
    parser.expect_whole_shares(options, "rows")
    return options


def check_inputs(options):
    in_turns.require_temper(options)
    in_turns.require_peer(options)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        require(options.model / name, "name a folder in Hugging Face layout by --model (quickstart.sh fetches one)")
    for name in ("train.csv", "test.csv"):
        require(options.data / name, "name a folder with train.csv and test.csv by --data")
    if shutil.which("mpirun") is None:
        raise Refusal("found no mpirun; install it (Debian: apt-get install openmpi-bin)")
    config = json.loads((options.model / "config.json").read_text(encoding="utf8"))
    if config.get("model_type") != "bert":
        raise Refusal(f"{options.model}: a model of type {config.get('model_type')!r}; the peer trains 'bert' only")
    return config["num_hidden_layers"]


# ---- what both programs are given ------------------------------------------------------------------------------------


def read_rows(path):
    with open(path, encoding="utf8", newline="") as file:
        rows = list(csv.reader(file))
    if len(rows) < 2 or len(rows[0]) < 2:
        raise Refusal(f"{path}: found no rows of two columns; expected a header, then a text and a label per row")
    return rows[0], rows[1:]


class Data:
    """The rows as Temper reads them: the peer's own files, or, with a limit, the very rows that the peer draws."""

    def __init__(self, options, folder):
        header, rows = read_rows(options.data / "train.csv")
        self.text, self.label = header[:2]
        self.test = options.data / "test.csv"
        self.train = options.data / "train.csv"
        self.labels = []
        if options.limit:
            if options.limit > len(rows):
                raise Refusal(f"{self.train}: holds {len(rows)} rows; --limit {options.limit} wants more")
            rows = random.Random(1).sample(rows, options.limit)  # as the peer draws them
            self.train = folder / "train.csv"
            with open(self.train, "w", encoding="utf8", newline="") as file:
                csv.writer(file).writerows([header, *rows])
            # A label of the test file that no drawn row has is still a label.
            self.labels = sorted({row[1] for row in rows} | {row[1] for row in read_rows(self.test)[1]})
        self.rows = len(rows)
        if self.rows < options.batch:
            raise Refusal(f"{options.data}: {self.rows} rows make no whole batch of {options.batch}, as the peer needs")


def frozen_patterns(mode, layers):
    frozen = {"half": layers // 2, "last": layers - 1, "head": layers}.get(mode)
    return [] if frozen is None else ["embeddings", *(f"encoder.layer.{i}" for i in range(frozen))]


def sections_of(options, data, layers, seed, folder):
    return {
        "model": {"path": str(options.model.resolve()), "task": "sequence-classification"},
        "data": {
            "train": str(data.train.resolve()),
            "test": str(data.test.resolve()),
            "text": data.text,
            "label": data.label,
            "labels": data.labels,
            "max_length": options.max_length,
            "cache_dir": str(folder / "cache"),
        },
        "tuning": {"freeze": frozen_patterns(options.mode, layers)},
        **({"lora": {"rank": 8, "alpha": 16, "targets": ["query", "value"]}} if options.mode == "lora" else {}),
        "train": {
            "epochs": options.epochs,
            "batch_size": options.batch,
            "learning_rate": options.lr,
            "optimizer": "adamw",
            "precision": options.precision,
            "label_smoothing": 0.0,
            "seed": seed,
            **in_turns.RECIPE,
        },
        **in_turns.training_alone(folder, log_every=NEVER, device="cpu", threads=options.threads),
    }


# ---- runs ------------------------------------------------------------------------------------------------------------


def run_temper(options, data, layers, seed, folder, *extra):
    sections = sections_of(options, data, layers, seed, folder)
    said, wall = in_turns.train(options, sections, folder, in_turns.mpirun(options.ranks), *extra)
    examples = data.rows * options.epochs
    return {
        "examples_per_second": said["examples_per_second"],
        "last_epoch_examples_per_second": said.get("last_epoch_examples_per_second", said["examples_per_second"]),
        "tokens_per_second": said["tokens_per_second"],
        "start_seconds": said["seconds_to_first_step"],
        "train_seconds": examples / said["examples_per_second"],
        "wall_seconds": wall,
        "peak_memory_mib": said["peak_memory_bytes"] / 2**20,
        "test_accuracy": said["test"]["accuracy"],
    }


def run_peer(options, python, seed):
    said, wall = in_turns.run_ddp_peer(
        options, python,
        *("--model", options.model.resolve(), "--data", options.data.resolve(), "--mode", options.mode),
        *("--epochs", options.epochs, "--lr", options.lr, "--batch", options.batch),
        *("--max-length", options.max_length, "--limit", options.limit, "--seed", seed),
    )  # fmt: skip
    return {
        "examples_per_second": said["examples_per_s"],
        "tokens_per_second": said["tokens_per_s"],
        "start_seconds": said["startup_s"],
        "train_seconds": said["train_s"],
        "wall_seconds": wall,
        "peak_memory_mib": said["peak_rss_mb"],
        "test_accuracy": said["accuracy"],
    }


# ---- the table -------------------------------------------------------------------------------------------------------

FIGURES = (
    ("examples_per_second", "examples/s", ",.1f"),
    ("tokens_per_second", "real tokens/s", ",.0f"),
    ("start_seconds", "start to first step, s", ",.2f"),
    ("train_seconds", "seconds of training", ",.1f"),
    ("wall_seconds", "seconds in all", ",.1f"),
    ("peak_memory_mib", "peak resident MiB per rank", ",.0f"),
    ("test_accuracy", "test accuracy", ".4f"),
)


def ratios(ours, theirs):
    """Temper's figures over the peer's; accuracies are better subtracted."""
    whole = {key: ours[key] / theirs[key] if theirs[key] else None for key, _, _ in FIGURES if key != "test_accuracy"}
    return whole | {"test_accuracy_difference": ours["test_accuracy"] - theirs["test_accuracy"]}


def counted(number, thing):
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def table(options, data, ours, theirs):
    *rows, accuracy = in_turns.compared(FIGURES, options.repeats, ours, theirs)
    rows.append((*accuracy[:3], f"{ratios(ours, theirs)['test_accuracy_difference']:+.4f} (difference)"))
    what = (
        f"{options.data.resolve().name}: {counted(data.rows, 'row')}, {counted(options.epochs, 'epoch')}, "
        f"{options.mode}, {options.precision}, batch {options.batch}, rate {options.lr:g}, "
        f"length {options.max_length}, {counted(options.ranks, 'rank')} of {counted(options.threads, 'thread')}"
    )
    return "\n".join([what, "", *aligned(rows)])


SETTINGS = "mode precision ranks threads epochs batch lr max_length limit repeats seed".split()


def told(figures):
    speed, accuracy = figures["examples_per_second"], figures["test_accuracy"]
    return f"{speed:,.1f} examples/s, accuracy {accuracy:.4f}, {figures['wall_seconds']:.1f} s in all"


def compare(options):
    layers = check_inputs(options)
    python = in_turns.peer_python(options)
    with tempfile.TemporaryDirectory(prefix="temper-bench-") as name:
        folder = Path(name)
        data = Data(options, folder)
        say("temper: one step, so that the rows are tokenised (not counted)")
        run_temper(options, data, layers, options.seed, folder, "--set", "train.max_steps=1")
        programs = {
            "temper": lambda i: run_temper(options, data, layers, options.seed + i, folder),
            "peer": lambda i: run_peer(options, python, options.seed + i),
        }
        runs = in_turns.take_turns(programs, options.repeats, told)
    ours, theirs = (in_turns.medians(runs[who], FIGURES) for who in programs)
    print(table(options, data, ours, theirs), flush=True)
    if options.json:
        settings = {key: getattr(options, key) for key in SETTINGS}
        settings.update(model=options.model.resolve().name, data=options.data.resolve().name, train_rows=data.rows)
        report = {"settings": settings, "temper": ours, "peer": theirs, "ratios": ratios(ours, theirs), "runs": runs}
        print(json.dumps(report), flush=True)


def main():
    options = parse_options()
    return status_of("against_ddp.sh", lambda: compare(options))


if __name__ == "__main__":
    sys.exit(main())

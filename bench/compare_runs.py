"""Runs temper and a PyTorch DDP program in turns on the same fine-tune, and prints medians and ratios.

Note: both figures of examples/s are of training alone. The peer times its loop over
the batches. Temper times its steps, from asking for a batch to the updated weights; the test file is evaluated and the
checkpoint written after the last one. Nothing is evaluated, saved or logged in between.
"""

import argparse
import csv
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
MODES = ("full", "half", "last", "head", "lora")


class Refusal(Exception):
    """Something is missing or wrong; the text says what, and what to do."""


# ---- options ---------------------------------------------------------------------------------------------------------


def first_existing(*paths):
    """The first path that is there, or else the first, for the message that it is not."""
    known = [path for path in paths if path]
    return next((path for path in known if path.exists()), known[0])


def parse_options(arguments=None):
    shared = os.environ.get("TEMPER_SHARED_DIR")
    shared = Path(shared) if shared else CHECKOUT.parent / "shared"
    parser = argparse.ArgumentParser(
        prog="bench/against_ddp.sh",
        description="Runs temper and a PyTorch DDP program in turns on the same data, model, ranks and settings, and "
        "prints one table. $TEMPER_SHARED_DIR (default: ../shared beside the checkout) holds the peer and the data.",
        epilog="Example:\n  bench/against_ddp.sh --repeats 3 --json\n  bench/against_ddp.sh --limit 1000 --mode half",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    def add(name, default, text, **more):
        parser.add_argument(name, default=default, help=f"{text} (default: {default})", **more)

    built = first_existing(*(CHECKOUT / "build" / name for name in ("release/temper", "bench/temper", "temper")))
    add("--temper", built, "the temper program", type=Path, metavar="FILE")
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
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args(arguments)
    for name in ("ranks", "threads", "epochs", "batch", "repeats"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} is {getattr(options, name)}; expected at least 1")
    if options.max_length < 2:
        parser.error(f"--max-length is {options.max_length}; expected at least 2")
    if options.lr <= 0:
        parser.error(f"--lr is {options.lr}; expected a rate above 0")
    if options.limit < 0 or options.seed < 0:
        parser.error("--limit and --seed are not below 0")
    # The peer gives every rank batch // ranks rows, and drops the rest.
    if options.batch % options.ranks != 0:
        parser.error(f"--batch {options.batch} does not divide by --ranks {options.ranks}; the peer would drop rows")
    return options


def require(path, remedy):
    if not path.is_file():
        raise Refusal(f"{path}: found no such file; {remedy}")


def check_inputs(options):
    build = "cmake --preset release && cmake --build --preset release"
    require(options.temper, f"build it ({build}), or name the program by --temper")
    require(options.peer, "name the PyTorch DDP program by --peer, or set TEMPER_SHARED_DIR to the folder above peer/")
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


def make_peer_venv(folder):
    say(f"making {folder} with torch and transformers; this takes minutes, once")
    pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in ([sys.executable, "-m", "venv", "--clear", folder], [*pip, "torch", "transformers"]):
        if subprocess.run(command, stdout=sys.stderr, check=False).returncode != 0:
            raise Refusal(
                f"{folder}: torch and transformers could not be installed there, see above; "
                "name a Python that has them by --python"
            )
    (folder / "complete").touch()


def peer_python(options):
    """A Python that can run the peer. That it is tried also brings its libraries into the page cache."""
    python = options.python
    if python is None:
        folder = CHECKOUT / "build/peer-venv"
        if not (folder / "complete").exists():
            make_peer_venv(folder)
        python = folder / "bin/python"
    remedy = "name a Python that has torch and transformers by --python"
    problem = import_problem(python, "torch.distributed.run, transformers")
    if problem:
        raise Refusal(f"{python}: {problem}; {remedy}")
    return python


def import_problem(python, modules):
    """Why this Python cannot import them; nothing if it can."""
    try:
        tried = subprocess.run([python, "-c", f"import {modules}"], capture_output=True, text=True, check=False)
    except OSError as error:
        return f"cannot be run: {error.strerror}"
    if tried.returncode == 0:
        return ""
    reason = (tried.stderr.strip().splitlines() or ["no reason given"])[-1]
    return f"cannot import torch and transformers ({reason})"


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


def configuration(options, data, layers, seed, folder):
    never = 1_000_000_000
    sections = {
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
            "weight_decay": 0.01,
            "schedule": "linear",
            "warmup_ratio": 0.1,
            "clip_norm": 1.0,
            "precision": options.precision,
            "label_smoothing": 0.0,
            "seed": seed,
        },
        "checkpoint": {"every_steps": never, "resume": False},
        "output": {"dir": str(folder / "run"), "log_every": never, "tensorboard": False, "export_model": False},
        "run": {"device": "cpu", "threads": options.threads},
    }
    return to_toml(sections)


def to_toml(sections):
    # JSON's strings, numbers, booleans and arrays of strings are TOML's as well.
    lines = []
    for section, keys in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in keys.items()]
    return "\n".join(lines) + "\n"


# ---- runs ------------------------------------------------------------------------------------------------------------


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(name, command, environment):
    """The last line of JSON that the command prints, and the seconds from start to exit."""
    start = time.monotonic()
    pipe = subprocess.PIPE
    words = [str(word) for word in command]
    with subprocess.Popen(words, env=environment, text=True, encoding="utf8", stdout=pipe, stderr=pipe) as process:
        try:
            out, errors = process.communicate()
        except BaseException:
            # The launcher ends its ranks when it is asked to.
            process.terminate()
            raise
    seconds = time.monotonic() - start
    found = [line for line in out.splitlines() if line.startswith("{")]
    if process.returncode != 0 or not found:
        tail = "\n".join((errors or out).strip().splitlines()[-15:])
        raise RuntimeError(f"{name} ended with status {process.returncode}; the end of what it said:\n{tail}")
    return json.loads(found[-1]), seconds


def run_temper(options, data, layers, seed, folder, *extra):
    shutil.rmtree(folder / "run", ignore_errors=True)
    file = folder / "run.toml"
    file.write_text(configuration(options, data, layers, seed, folder), encoding="utf8")
    launcher = ["mpirun", "-n", options.ranks, "--oversubscribe", "--bind-to", "none"]
    command = [*launcher, options.temper.resolve(), "train", file, "--json", *extra]
    said, wall = run("temper", command, dict(os.environ))
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
    environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads), HF_HUB_OFFLINE="1")
    command = [
        *(python, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", options.ranks, options.peer),
        *("--model", options.model.resolve(), "--data", options.data.resolve(), "--mode", options.mode),
        *("--epochs", options.epochs, "--lr", options.lr, "--batch", options.batch),
        *("--max-length", options.max_length, "--limit", options.limit, "--seed", seed),
        *(["--bf16"] if options.precision == "bf16" else []),
    ]
    said, wall = run("the peer", command, environment)
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


def medians(runs):
    return {key: statistics.median(run[key] for run in runs) for key, _, _ in FIGURES}


def ratios(ours, theirs):
    """Temper's figures over the peer's; accuracies are better subtracted."""
    whole = {key: ours[key] / theirs[key] if theirs[key] else None for key, _, _ in FIGURES if key != "test_accuracy"}
    return whole | {"test_accuracy_difference": ours["test_accuracy"] - theirs["test_accuracy"]}


def counted(number, thing):
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def table(options, data, ours, theirs):
    compared = ratios(ours, theirs)
    rows = [("one run" if options.repeats == 1 else f"median of {options.repeats}", "Temper", "peer", "Temper / peer")]
    for key, name, form in FIGURES:
        ratio = compared.get(key)
        last = "-" if ratio is None else f"{ratio:.2f}"
        if key == "test_accuracy":
            last = f"{compared['test_accuracy_difference']:+.4f} (difference)"
        rows.append((name, format(ours[key], form), format(theirs[key], form), last))
    what = (
        f"{options.data.resolve().name}: {counted(data.rows, 'row')}, {counted(options.epochs, 'epoch')}, "
        f"{options.mode}, {options.precision}, batch {options.batch}, rate {options.lr:g}, "
        f"length {options.max_length}, {counted(options.ranks, 'rank')} of {counted(options.threads, 'thread')}"
    )
    return "\n".join([what, "", *aligned(rows)])


def aligned(rows):
    """The lines of a Markdown table; the first row is its head, the first column stands on the left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    cells = [[row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))] for row in rows]
    return ["| " + " | ".join(row) + " |" for row in [cells[0], rule, *cells[1:]]]


SETTINGS = "mode precision ranks threads epochs batch lr max_length limit repeats seed".split()


def compare(options):
    layers = check_inputs(options)
    python = peer_python(options)
    runs = {"temper": [], "peer": []}
    with tempfile.TemporaryDirectory(prefix="temper-bench-") as name:
        folder = Path(name)
        data = Data(options, folder)
        say("temper: one step, so that the rows are tokenised (not counted)")
        run_temper(options, data, layers, options.seed, folder, "--set", "train.max_steps=1")
        for i in range(options.repeats):
            seed = options.seed + i
            for who in runs:
                say(f"{who}: run {i + 1} of {options.repeats}, seed {seed}")
                ours = who == "temper"
                figures = run_temper(options, data, layers, seed, folder) if ours else run_peer(options, python, seed)
                runs[who].append(figures)
                speed, accuracy = figures["examples_per_second"], figures["test_accuracy"]
                say(f"{who}: {speed:,.1f} examples/s, accuracy {accuracy:.4f}, {figures['wall_seconds']:.1f} s in all")
    ours, theirs = medians(runs["temper"]), medians(runs["peer"])
    print(table(options, data, ours, theirs), flush=True)
    if options.json:
        settings = {key: getattr(options, key) for key in SETTINGS}
        settings.update(model=options.model.resolve().name, data=options.data.resolve().name, train_rows=data.rows)
        report = {"settings": settings, "temper": ours, "peer": theirs, "ratios": ratios(ours, theirs), "runs": runs}
        print(json.dumps(report), flush=True)


def status_of(program, job):
    """Does the job; what stops it is said in the program's name. The exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        job()
    except Refusal as refusal:
        say(f"{program}: {refusal}")
        return 2
    except RuntimeError as error:
        say(f"{program}: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def main():
    options = parse_options()
    return status_of("against_ddp.sh", lambda: compare(options))


if __name__ == "__main__":
    sys.exit(main())

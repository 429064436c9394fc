"""What the scripts share that run temper and a PyTorch program in turns: options, runs, medians and tables."""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
NEVER = 1_000_000_000
# What both programs train with: see the peers.
RECIPE = {"weight_decay": 0.01, "schedule": "linear", "warmup_ratio": 0.1, "clip_norm": 1.0}


class Refusal(Exception):
    """Something is missing or wrong; the text says what, and what to do."""


# ---- options and what must be there ----------------------------------------------------------------------------------


def first_existing(*paths):
    """The first path that is there, or else the first, for the message that it is not."""
    known = [path for path in paths if path]
    return next((path for path in known if path.exists()), known[0])


def shared_folder():
    """Holds the peers and the data."""
    named = os.environ.get("TEMPER_SHARED_DIR")
    return Path(named) if named else CHECKOUT.parent / "shared"


class OptionParser(argparse.ArgumentParser):
    """Has --temper already; says defaults in its help."""

    def __init__(self, prog, description, **more):
        super().__init__(prog=prog, description=description, **more)
        built = first_existing(*(CHECKOUT / "build" / name for name in ("release/temper", "bench/temper", "temper")))
        self.add("--temper", built, "the temper program", type=Path, metavar="FILE")

    def add(self, name, default, text, **more):
        self.add_argument(name, default=default, help=f"{text} (default: {default})", **more)

    def add_python(self, modules):
        self.add_argument("--python", type=Path, metavar="FILE", help=f"has {modules} (default: as against_ddp.sh)")

    def add_alone(self):
        self.add_argument("--alone", action="store_true", help="run temper only")

    def add_json(self):
        self.add_argument("--json", action="store_true", help="print one JSON object as the last line")

    def expect_at_least_one(self, options, *names):
        for name in names:
            if getattr(options, name) < 1:
                self.error(f"--{name} is {getattr(options, name)}; expected at least 1")

    def expect_whole_shares(self, options, things):
        """The peers give every rank batch // ranks of a batch, and drop the rest."""
        if options.batch % options.ranks != 0:
            self.error(f"--batch {options.batch} does not divide by --ranks {options.ranks}; the peer would drop {things}")


def require(path, remedy):
    if not path.is_file():
        raise Refusal(f"{path}: found no such file; {remedy}")


def require_temper(options):
    require(options.temper, "build it (cmake --preset release && cmake --build --preset release), or name it by --temper")


def require_peer(options):
    require(options.peer, "name the PyTorch DDP program by --peer, or set TEMPER_SHARED_DIR to the folder above peer/")


# ---- a Python for the peer -------------------------------------------------------------------------------------------


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
    problem = import_problem(python, "torch.distributed.run, transformers")
    if problem:
        raise Refusal(f"{python}: {problem}; name a Python that has torch and transformers by --python")
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


def to_toml(sections):
    # JSON's strings, numbers, booleans and arrays of strings are TOML's as well.
    lines = []
    for section, keys in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in keys.items()]
    return "\n".join(lines) + "\n"


def training_alone(folder, log_every, **run_keys):
    """Sections of a configuration by which nothing is saved or exported before the last step; its folder is folder/run."""
    return {
        "checkpoint": {"every_steps": NEVER, "resume": False},
        "output": {"dir": str(folder / "run"), "log_every": log_every, "tensorboard": False, "export_model": False},
        "run": run_keys,
    }


def mpirun(ranks):
    return ["mpirun", "-n", ranks, "--oversubscribe", "--bind-to", "none"]


def train(options, sections, folder, launcher, *extra):
    """Trains in a new folder/run; what temper says in the end, and its seconds."""
    shutil.rmtree(folder / "run", ignore_errors=True)
    file = folder / "run.toml"
    file.write_text(to_toml(sections), encoding="utf8")
    return run("temper", [*launcher, options.temper.resolve(), "train", file, "--json", *extra], dict(os.environ))


def logged_steps(folder):
    """The lines that training has written to folder/run/metrics.jsonl."""
    lines = (folder / "run/metrics.jsonl").read_text(encoding="utf8").splitlines()
    return [line for line in map(json.loads, lines) if line.get("kind") == "train"]


def steady_rate(folder, key, batch, warm_up=1):
    """tokens_per_second or examples_per_second of the steps behind the first ones, which warm caches up. A line of the log
    has the mean since the start; every step counts as a whole batch."""
    lines = logged_steps(folder)
    first, last = next(line for line in lines if line["step"] >= warm_up), lines[-1]
    seconds = [line["step"] * batch / line["examples_per_second"] for line in (first, last)]
    return (last[key] * seconds[1] - first[key] * seconds[0]) / (seconds[1] - seconds[0])


def memory_of(said):
    """Figures of the memory of a rank, in MiB: resident, and with shared pages counted once."""
    peak = said["peak_memory_bytes"]
    return {"peak_memory_mib": peak / 2**20, "shared_once_mib": said.get("proportional_memory_bytes", peak) / 2**20}


def run_ddp_peer(options, python, *words):
    """The peer on options.ranks processes; what it says in the end, and its seconds."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads), HF_HUB_OFFLINE="1")
    launcher = [python, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", options.ranks]
    precision = ["--bf16"] if options.precision == "bf16" else []
    return run("the peer", [*launcher, options.peer, *words, *precision], environment)


def take_turns(programs, repeats, told, before=""):
    """Calls each program in turn with the number of its run: the figures of all runs of each, by its name. `told` puts the
    figures of a run in words, `before` stands before them."""
    runs = {who: [] for who in programs}
    for i in range(repeats):
        for who, program in programs.items():
            say(f"{before}{who}: run {i + 1} of {repeats}")
            figures = program(i)
            say(f"{before}{who}: {told(figures)}")
            runs[who].append(figures)
    return runs


# ---- the table -------------------------------------------------------------------------------------------------------


def median(runs, key):
    """None where there are no runs, or one has no such figure."""
    values = [figures[key] for figures in runs]
    return statistics.median(values) if values and None not in values else None


def medians(runs, figures):
    """By key, of figures given as (key, name, format); None where there are no runs."""
    return {key: median(runs, key) for key, _, _ in figures} if runs else None


def compared(figures, repeats, ours, theirs):
    """The rows of a table of medians: a figure of Temper, of the peer, and their ratio. What Temper has no figure of is
    left out."""
    rows = [("one run" if repeats == 1 else f"median of {repeats}", "Temper", "peer", "Temper / peer")]
    for key, name, form in figures:
        if ours[key] is None:
            continue
        other = theirs[key] if theirs else None
        rows.append((name, format(ours[key], form), "-" if other is None else format(other, form),
                     f"{ours[key] / other:.2f}" if other else "-"))  # fmt: skip
    return rows


def aligned(rows):
    """The lines of a Markdown table; the first row is its head, the first column stands on the left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    cells = [[row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))] for row in rows]
    return ["| " + " | ".join(row) + " |" for row in [cells[0], rule, *cells[1:]]]


def compare(options, programs, figures, told, title):
    """Runs the programs "temper" and, without --alone, "peer" in turns, and prints a table of their medians."""
    if options.alone:
        programs = {"temper": programs["temper"]}
    runs = take_turns(programs, options.repeats, told)
    ours, theirs = (medians(runs.setdefault(who, []), figures) for who in ("temper", "peer"))
    print("\n".join([title, "", *aligned(compared(figures, options.repeats, ours, theirs))]), flush=True)
    if options.json:
        print(json.dumps({"temper": ours, "peer": theirs, "runs": runs}), flush=True)


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

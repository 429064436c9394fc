"""Measures everything that docs/performance.md sets a goal for, and prints one table: goal, figure, reached or not.

Note: a ratio is taken within a trio of runs, Temper, the peer, Temper, that follow
each other, and the median of the trios is given; so what else the machine does falls on both. Runs are shortened to some
hundred rows; the share of what is paid once (a cache that is filled, the first step) does not depend on that, since
epochs are as many as in the long run.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import compare_runs
import in_turns
from in_turns import CHECKOUT, Refusal, aligned, first_existing, say, shared_folder, status_of

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Case:
    """A fine-tune with both programs."""

    data: str
    mode: str
    precision: str
    goal: float  # times the peer's examples/s
    rows: int
    epochs: int = 1
    max_length: int = 64
    lr: float = 2e-4
    later_goal: float = 0.0  # the same from the second epoch on; 0: none

    @property
    def name(self):
        length = f" at {self.max_length}" if self.max_length != 64 else ""
        epochs = f", {self.epochs} epochs" if self.epochs > 1 else ""
        return f"{self.data}{length} {self.mode} {self.precision}{epochs}"


CASES = (
    Case("clinc150", "full", "f32", 3.0, 3200),
    Case("clinc150", "full", "bf16", 3.5, 3200),
    Case("tweet_sentiment", "full", "f32", 3.0, 1600, lr=1e-4),
    Case("tweet_sentiment", "full", "bf16", 3.5, 1600, lr=1e-4),
    Case("licence_category", "full", "f32", 1.8, 320, max_length=256, lr=1e-4),
    Case("licence_category", "full", "bf16", 2.2, 320, max_length=256, lr=1e-4),
    Case("clinc150", "half", "f32", 4.0, 1600, epochs=5, later_goal=5.0),
    Case("clinc150", "last", "f32", 10.0, 1600, epochs=5, later_goal=25.0),
    Case("clinc150", "head", "f32", 15.0, 3200, epochs=5, later_goal=100.0),
)
SCALING = (("tweet_sentiment", 1.9, 1600, 64), ("licence_category", 1.95, 320, 256))
MOST_MEMORY = 0.30
LEAST_START = 10.0
LEAST_TOKENIZER = 10.0
LEAST_CHECKPOINT = 0.9
LEAST_REDUCTION = 5.0
LEAST_ROOF = {"f32": 0.80, "bf16": 0.70}


class Goals:
    """The table as it grows."""

    def __init__(self, pattern):
        self.rows = []
        self.pattern = re.compile(pattern)

    def wants(self, name):
        return bool(self.pattern.search(name))

    def add(self, name, goal, figure, reached, detail=""):
        self.rows.append({"what": name, "goal": goal, "measured": figure, "reached": reached, "detail": detail})
        say(f"{name}: {figure} (goal {goal}){', ' + detail if detail else ''}")

    def at_least(self, name, goal, value, detail="", unit="x"):
        self.add(name, f"{goal:g}{unit}", f"{value:.2f}{unit}", value >= goal, detail)

    def table(self):
        rows = [("what", "goal", "measured", "", "figures")]
        rows += [(r["what"], r["goal"], r["measured"], "yes" if r["reached"] else "NO", r["detail"]) for r in self.rows]
        return "\n".join(aligned(rows))


def parse_options():
    shared = shared_folder()
    built = first_existing(*(CHECKOUT / "build" / name for name in ("bench", "release")))
    parser = argparse.ArgumentParser(prog="bench/goals.sh", description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=built, help=f"holds temper and bench/ (default: {built})")
    parser.add_argument("--shared", type=Path, default=shared, help=f"holds data, peer, fixtures (default: {shared})")
    parser.add_argument("--model", type=Path, default=CHECKOUT / "models/all-MiniLM-L6-v2")
    parser.add_argument("--python", type=Path, help="has torch and transformers (default: as against_ddp.sh)")
    parser.add_argument("--repeats", type=int, default=3, help="trios of runs (default: 3)")
    parser.add_argument("--only", default="", metavar="PATTERN", help="only goals whose name matches")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    return parser.parse_args()


def options_of(goals, data, precision="f32", mode="full", epochs=1, max_length=64, lr=2e-4, rows=0, ranks=2):
    """What compare_runs understands."""
    words = ["--temper", goals.build / "temper", "--model", goals.model, "--data", goals.shared / "data" / data]
    words += ["--peer", goals.shared / "peer/ddp_baseline.py", "--mode", mode, "--precision", precision]
    words += ["--epochs", epochs, "--max-length", max_length, "--lr", lr, "--limit", rows, "--ranks", ranks]
    if goals.python:
        words += ["--python", goals.python]
    return compare_runs.parse_options([str(word) for word in words])


class Pair:
    """Runs of one setting, in a folder of their own."""

    def __init__(self, options, folder):
        self.options = options
        self.layers = compare_runs.check_inputs(options)
        self.folder = Path(folder)
        self.data = compare_runs.Data(options, self.folder)
        self.temper(0, "--set", "train.max_steps=1")  # so that the rows are tokenised

    def temper(self, seed, *extra):
        return compare_runs.run_temper(self.options, self.data, self.layers, seed, self.folder, *extra)

    def peer(self, python, seed):
        return compare_runs.run_peer(self.options, python, seed)


def measured_peak(goals, options, folder):
    """FLOP/s of all ranks together, by `temper bench machine`."""
    machine = folder / "machine.json"
    run_program([*in_turns.mpirun(options.ranks), goals.build / "temper", "bench", "machine", "--output", machine])
    rates = json.loads(machine.read_text(encoding="utf8"))["together"]
    return rates["bf16_operations_per_second" if options.precision == "bf16" else "operations_per_second"] * options.ranks


def operations_of_step(goals, options, folder):
    """Of all ranks, by `temper plan`."""
    plan = run_program([goals.build / "temper", "plan", folder / "run.toml", "--ranks", options.ranks, "--json"])
    phase = json.loads(plan.splitlines()[-1])["phases"][0]
    return phase["forward_operations"] + phase["backward_operations"]


def run_program(command):
    words = [str(word) for word in command]
    done = subprocess.run(words, text=True, encoding="utf8", stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)} ended with status {done.returncode}:\n{done.stderr[-1500:]}")
    return done.stdout


def against_peer(goals, table, python, case):
    if not any(table.wants(name) for name in (case.name, "memory", "start", "roof")):
        return
    options = options_of(goals, case.data, case.precision, case.mode, case.epochs, case.max_length, case.lr, case.rows)
    first = case is CASES[0]
    with tempfile.TemporaryDirectory(prefix="temper-bench-") as folder:
        pair = Pair(options, folder)
        ratios, later, peaks, ours, theirs = [], [], [], [], []
        executes = case.mode == "full" and case.data == "licence_category"
        for seed in range(goals.repeats):
            before, peer, after = pair.temper(seed), pair.peer(python, seed), pair.temper(seed)
            mean = (before["examples_per_second"] + after["examples_per_second"]) / 2
            ratios.append(mean / peer["examples_per_second"])
            last = (before["last_epoch_examples_per_second"] + after["last_epoch_examples_per_second"]) / 2
            later.append(last / peer["examples_per_second"])
            ours += [before, after]
            theirs.append(peer)
            if executes:  # the peak moves with the machine's clock as the runs do
                peaks.append(measured_peak(goals, options, Path(folder)))
        operations = operations_of_step(goals, options, Path(folder)) if executes else 0.0
    speed = statistics.median(run["examples_per_second"] for run in ours)
    peer_speed = statistics.median(run["examples_per_second"] for run in theirs)
    accuracy = [statistics.median(run["test_accuracy"] for run in runs) for runs in (ours, theirs)]
    detail = f"{speed:,.1f} against {peer_speed:,.1f} examples/s, accuracy {accuracy[0]:.3f} and {accuracy[1]:.3f}"
    table.at_least(case.name, case.goal, statistics.median(ratios), detail)
    if case.later_goal:
        speed = statistics.median(run["last_epoch_examples_per_second"] for run in ours)
        table.at_least(f"{case.name}, from the second epoch on", case.later_goal, statistics.median(later),
                       f"{speed:,.1f} against {peer_speed:,.1f} examples/s")
    if executes:
        peak = statistics.median(peaks)
        table.at_least(f"roof: {case.name}, executed FLOP over the peak", LEAST_ROOF[case.precision],
                       operations * speed / options.batch / peak,
                       f"of {options.ranks} x {1e-9 * peak / options.ranks:,.0f} GFLOP/s", unit="")
    if case.mode == "full":
        memory = statistics.median(run["peak_memory_mib"] for run in ours)
        peer_memory = statistics.median(run["peak_memory_mib"] for run in theirs)
        table.add(f"memory: {case.name}", f"< {MOST_MEMORY:.0%}", f"{memory / peer_memory:.0%}",
                  memory / peer_memory < MOST_MEMORY, f"{memory:,.0f} against {peer_memory:,.0f} MiB per rank")
    if first:
        start = statistics.median(run["start_seconds"] for run in ours)
        peer_start = statistics.median(run["start_seconds"] for run in theirs)
        table.at_least("start to first step", LEAST_START, peer_start / start, f"{start:.2f} against {peer_start:.2f} s")


def scaling(goals, table, data, goal, rows, max_length):
    name = f"scaling: two ranks against one, {data}"
    if not table.wants(name):
        return
    with tempfile.TemporaryDirectory(prefix="temper-bench-") as folder:
        pairs = []
        for ranks in (1, 2):
            place = Path(folder) / str(ranks)
            place.mkdir()
            pairs.append(Pair(options_of(goals, data, max_length=max_length, lr=1e-4, rows=rows, ranks=ranks), place))
        ratios = []
        for seed in range(goals.repeats):
            before, two, after = pairs[0].temper(seed), pairs[1].temper(seed), pairs[0].temper(seed)
            one = (before["examples_per_second"] + after["examples_per_second"]) / 2
            ratios.append(two["examples_per_second"] / one)
    table.at_least(name, goal, statistics.median(ratios), f"{two['examples_per_second']:,.1f} examples/s on two")


def tokenizers(goals, table, python):
    text = goals.shared / "data/wikitext2/train.txt"
    for kind in ("bert-wordpiece", "gpt2-byte-level-bpe"):
        name = f"tokenizer: {kind}"
        if not table.wants(name):
            continue
        file = goals.shared / "fixtures/tokenizers" / kind / "tokenizer.json"
        speed = [
            statistics.median(
                float(re.search(r"([\d.]+) MB/s", run_program([*command, text, file]))[1]) for _ in range(goals.repeats)
            )
            for command in ([goals.build / "bench/tokenizer_bench"], [python, HERE / "tokenizer_peer.py"])
        ]
        table.at_least(name, LEAST_TOKENIZER, speed[0] / speed[1], f"{speed[0]:.1f} against {speed[1]:.2f} MB/s")


def checkpoint(goals, table):
    name = "checkpoint against a plain write and sync"
    if not table.wants(name):
        return
    with tempfile.TemporaryDirectory(prefix="temper-bench-") as folder:
        said = run_program([*in_turns.mpirun(2), goals.build / "bench/checkpoint_bench", folder])
    share = float(re.search(r"share ([\d.]+)", said)[1])
    table.at_least(name, LEAST_CHECKPOINT, share, said.strip(), unit="")


def reduction(goals, table):
    name = "reduction, clip and update of 22.7 M gradients"
    if not table.wants(name):
        return
    said = run_program([*in_turns.mpirun(2), goals.build / "bench/communication_bench"])
    for copy, theirs, dense, ratio, rows, of_rows in re.findall(r"^\| (yes|no) \|" + r" ([\d.]+) \|" * 5, said, re.M):
        kind = "with a bf16 copy" if copy == "yes" else "f32"
        table.at_least(f"{name}, {kind}", LEAST_REDUCTION, float(ratio),
                       f"{dense} against {theirs} ms; where few rows occur {rows} ms, {of_rows}x")


def measure(goals):
    table = Goals(goals.only)
    python = in_turns.peer_python(options_of(goals, "clinc150"))
    for case in CASES:
        against_peer(goals, table, python, case)
    for case in SCALING:
        scaling(goals, table, *case)
    reduction(goals, table)
    tokenizers(goals, table, python)
    checkpoint(goals, table)
    if not table.rows:
        raise Refusal(f"no goal's name matches '{goals.only}'")
    print(table.table(), flush=True)
    if goals.json:
        print(json.dumps(table.rows), flush=True)


def main():
    goals = parse_options()
    return status_of("goals.sh", lambda: measure(goals))


if __name__ == "__main__":
    sys.exit(main())

"""Runs temper and a PyTorch program in turns on the same GPU and fine-tune, and prints medians and ratios.

Note:

Both speeds are of training steps alone, without the first ones, in which libraries are loaded and algorithms chosen.
Every row of the data has the same number of tokens, so the peer pads nothing.

Model-FLOP utilisation is the floating-point operations that the model needs, over the time of a step, over the GPU's
peak for dense bf16. They are counted for both programs alike, with n layers of width w and i inside, B rows of L tokens:

    products   6 B (n L (4 w^2 + 2 w i) + w^2 + w labels)     a multiply-add is 2; forward once, backward twice
    attention  12 B n L^2 w                                   scores and their product with the values: the same 2 and 6

Biases, norms, GELU, softmax, embeddings and the optimizer are not counted, nor what flash attention computes again.
Temper leaves out what cannot reach the loss: in the last layer only the first token of a row asks. "work done" is its
utilisation by the operations it does perform: there the products are 6 B (L 2 w^2 + 2 w^2 + 2 w i), the attention
12 B L w. The larger figure says what the user gets for the GPU, the smaller how well the kernels use it.

The share of the kernels' time outside matrix products and attention is from a short run of its own with `temper train
--profile`, which waits after every kernel.
"""

import argparse
import csv
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import in_turns
from in_turns import CHECKOUT, NEVER, OptionParser, Refusal, aligned, import_problem, median, run, say, status_of

PEER = Path(__file__).resolve().parent / "gpu_peer.py"
LABELS = ("one", "two")  # as in gpu_peer.py
ROWS = 512
WARM_UP = 10  # steps
DROPOUT = 0.1
LEARNING_RATE = 2e-5
CASES = ("all-MiniLM-L6-v2:128x128", "all-MiniLM-L6-v2:32x512", "bert-base:64x512", "bert-base:128x128")
# TFLOP/s for dense bf16 as the maker gives them; the first name that occurs in the GPU's counts.
PEAKS = (("A100", 312), ("H100 PCIe", 756), ("NVL", 835), ("H100", 989), ("H200", 989))


class Case:
    """A model, a batch and a length: "bert-base:64x512"."""

    def __init__(self, text):
        found = re.fullmatch(r"([^:]+):(\d+)x(\d+)", text)
        if not found or int(found[2]) < 1 or int(found[3]) < 3:
            raise argparse.ArgumentTypeError(f"'{text}' is no case; expected MODEL:ROWSxTOKENS, such as {CASES[0]}")
        self.model = found[1]
        self.batch, self.length = int(found[2]), int(found[3])
        self.name = f"{self.model}, {self.batch} x {self.length}"


# ---- options and what must be there ----------------------------------------------------------------------------------


def parse_options():
    parser = OptionParser(
        "bench/gpu.sh",
        "Runs temper and a PyTorch program in turns on the same GPU, model, data and settings, and prints one "
        "table. Without a GPU it says so and ends.",
        epilog="Example:\n  bench/gpu.sh --repeats 5 --json\n  bench/gpu.sh --case bert-base:64x512 --python venv/bin/python",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    parser.add_argument(
        "--python", type=Path, metavar="FILE",
        help="a Python that has torch and transformers (default: that of build/peer-venv, else python3); without one, "
        "Temper is measured alone",
    )
    parser.add_argument(
        "--case", type=Case, action="append", metavar="MODEL:ROWSxTOKENS", dest="cases",
        help=f"what to run; may be given several times (default: {', '.join(CASES)}). MODEL is a folder of models/ or of "
        "build/bench-models/, or bert-base, which is written there with random weights",
    )
    parser.add("--precision", "bf16", "of the arithmetic", choices=("bf16", "f32"))
    parser.add("--steps", 50, f"steps that count, behind {WARM_UP} that do not", type=int, metavar="N")
    parser.add("--repeats", 3, "runs of each, in turns", type=int, metavar="N")
    parser.add_argument("--peak", type=float, metavar="TFLOPS", help="of the GPU (default: by its name, for bf16)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
        help="handed to temper train, such as run.cuda_graphs=true; may be given several times",
    )
    parser.add("--device", "cuda", "cpu: to try the script out", choices=("cuda", "cpu"))
    parser.add_json()
    options = parser.parse_args()
    options.cases = options.cases or [Case(text) for text in CASES]
    if options.steps < 1 or options.repeats < 1:
        parser.error("--steps and --repeats are at least 1")
    return options


def gpu_name():
    """Of the first GPU; nothing if there is none."""
    try:
        query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        listed = subprocess.run(query, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return listed.stdout.strip().splitlines()[0].strip() if listed.returncode == 0 and listed.stdout.strip() else ""


def peak_flops(options, gpu):
    if options.peak:
        return options.peak * 1e12
    if options.precision != "bf16":
        return None
    return next((peak * 1e12 for name, peak in PEAKS if name in gpu), None)


def check_temper(options):
    in_turns.require_temper(options)
    if options.device == "cuda":
        version, _ = run("temper version", [options.temper.resolve(), "version", "--json"], dict(os.environ))
        if not version.get("gpus"):
            raise Refusal(f"{options.temper}: there is a GPU, but it cannot use it; see temper version")


def find_python(options):
    """A Python for the peer, or none."""
    venv = CHECKOUT / "build/peer-venv/bin/python"
    python = options.python or (venv if venv.exists() else Path(shutil.which("python3") or "python3"))
    problem = import_problem(python, "torch, transformers")
    if not problem and options.device == "cuda":
        problem = import_problem(python, "torch; assert torch.cuda.is_available(), 'its torch sees no GPU'")
    if problem and options.python:
        raise Refusal(f"{python}: {problem}; name a Python that has torch and transformers by --python")
    if problem:
        say(f"{python}: {problem}; Temper is measured alone (name a Python for the peer by --python)")
    return None if problem else python


def model_folder(name, python):
    """Where the model is; written first if it is bert-base. None, with a line, if it cannot be had."""
    own = CHECKOUT / "build/bench-models" / name
    folder = next((path for path in (CHECKOUT / "models" / name, own) if (path / "config.json").exists()), own)
    if (folder / "config.json").exists():
        return folder
    tokenizer = CHECKOUT / "models/all-MiniLM-L6-v2/tokenizer.json"
    if name != "bert-base":
        say(f"skipped: {name}: found neither models/{name} nor {own}; quickstart.sh fetches all-MiniLM-L6-v2")
    elif python is None:
        say(f"skipped: {name}: a Python with transformers is needed to write it")
    elif not tokenizer.exists():
        say(f"skipped: {name}: found no {tokenizer}, whose vocabulary it takes; quickstart.sh fetches it")
    else:
        say(f"writing {own} with random weights")
        own.parent.mkdir(parents=True, exist_ok=True)
        run("the peer", [python, PEER, "make-bert-base", own, "--tokenizer", tokenizer], peer_environment())
        return own
    return None


# ---- data and settings -----------------------------------------------------------------------------------------------


def write_rows(file, folder, case):
    """Rows of exactly so many tokens: words that are each one token, between the two special ones."""
    vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf8"))["model"]["vocab"]
    words = sorted(word for word in vocabulary if re.fullmatch("[a-z]+", word))
    if len(words) < 2:
        raise Refusal(f"{folder}/tokenizer.json: found no whole words in its vocabulary; expected WordPiece, lower case")
    generator = random.Random(1)
    # Whole batches only.
    rows = max(1, ROWS // case.batch) * case.batch
    with open(file, "w", encoding="utf8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("text", "label"))
        for row in range(rows):
            writer.writerow((" ".join(generator.choices(words, k=case.length - 2)), LABELS[row % 2]))


def sections_of(options, case, model, seed, folder):
    return {
        "model": {"path": str(model), "task": "sequence-classification", "replace_head": True, "dropout": DROPOUT},
        "data": {
            "train": str(folder / "rows.csv"),
            "labels": LABELS,
            "max_length": case.length,
            "cache_dir": str(folder / "cache"),
        },
        "train": {
            "epochs": NEVER,
            "max_steps": WARM_UP + options.steps,
            "batch_size": case.batch,
            "learning_rate": LEARNING_RATE,
            "weight_decay": 0.01,
            "clip_norm": 1.0,
            "precision": options.precision,
            "seed": seed,
        },
        **in_turns.training_alone(folder, log_every=WARM_UP, device=options.device),
    }


# ---- runs ------------------------------------------------------------------------------------------------------------


def run_temper(options, case, model, seed, folder, *extra):
    overrides = [word for text in options.overrides for word in ("--set", text)]
    return in_turns.train(options, sections_of(options, case, model, seed, folder), folder, [], *overrides, *extra)[0]


def time_temper(options, case, model, seed, folder):
    said = run_temper(options, case, model, seed, folder)
    examples = in_turns.steady_rate(folder, "examples_per_second", case.batch, WARM_UP)
    return {
        "examples_per_second": examples,
        "tokens_per_second": examples * case.length,
        "peak_device_memory_bytes": said["peak_device_memory_bytes"],
    }


def share_outside(options, case, model, folder):
    extra = ("--profile", "--set", f"train.max_steps={WARM_UP}")
    return run_temper(options, case, model, 0, folder, *extra)["outside_products_and_attention"]


def peer_environment():
    return dict(os.environ, HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")


def time_peer(options, case, model, python, seed, folder):
    command = [
        *(python, PEER, "train", "--model", model, "--rows", folder / "rows.csv", "--length", case.length),
        *("--batch", case.batch, "--steps", options.steps, "--warm-up", WARM_UP, "--precision", options.precision),
        *("--dropout", DROPOUT, "--lr", LEARNING_RATE, "--seed", seed, "--device", options.device),
    ]
    return run("the peer", command, peer_environment())[0]


def measure(options, case, model, python, folder):
    """Runs of both in turns, and the share of one more."""
    write_rows(folder / "rows.csv", model, case)
    programs = {"temper": lambda i: time_temper(options, case, model, i, folder)}
    if python:
        programs["peer"] = lambda i: time_peer(options, case, model, python, i, folder)
    runs = in_turns.take_turns(programs, options.repeats, lambda one: f"{one['tokens_per_second']:,.0f} tokens/s", f"{case.name}: ")
    return runs, share_outside(options, case, model, folder)


# ---- the table -------------------------------------------------------------------------------------------------------


def flops_a_row(config, length):
    """Of the model, and of what Temper does of it: see the head of this file."""
    layers, width, inside = (config[key] for key in ("num_hidden_layers", "hidden_size", "intermediate_size"))
    head = 6 * (width**2 + width * len(LABELS))
    layer = 6 * length * (4 * width**2 + 2 * width * inside) + 12 * length**2 * width
    last = 6 * (length * 2 * width**2 + 2 * width**2 + 2 * width * inside) + 12 * length * width
    return layers * layer + head, (layers - 1) * layer + last + head


def summary(case, model, runs, outside, peak):
    """One row of the table, as numbers; None where there is none."""
    whole, done = flops_a_row(json.loads((model / "config.json").read_text(encoding="utf8")), case.length)
    row = {"model": case.model, "batch": case.batch, "length": case.length, "outside_products_and_attention": outside}
    for who in ("temper", "peer"):
        taken = runs.get(who, [])
        speed = median(taken, "examples_per_second")
        row[who] = {
            "examples_per_second": speed,
            "tokens_per_second": median(taken, "tokens_per_second"),
            "peak_device_memory_bytes": median(taken, "peak_device_memory_bytes"),
            "utilisation": speed * whole / peak if speed and peak else None,
        }
    speed = row["temper"]["examples_per_second"]
    row["temper"]["utilisation_of_work_done"] = speed * done / peak if peak else None
    row["ratio"] = speed / row["peer"]["examples_per_second"] if row["peer"]["examples_per_second"] else None
    return row


def table(rows):
    def shown(value, form, factor=1.0):
        return "-" if value is None else format(value * factor, form)

    head = ("model, rows x tokens", "Temper tokens/s", "PyTorch tokens/s", "ratio", "Temper MFU", "of work done",
            "PyTorch MFU", "outside", "Temper MiB", "PyTorch MiB")  # fmt: skip
    lines = [head]
    for row in rows:
        ours, theirs = row["temper"], row["peer"]
        lines.append((
            f"{row['model']}, {row['batch']} x {row['length']}",
            shown(ours["tokens_per_second"], ",.0f"),
            shown(theirs["tokens_per_second"], ",.0f"),
            shown(row["ratio"], ".2f"),
            shown(ours["utilisation"], ".1%"),
            shown(ours["utilisation_of_work_done"], ".1%"),
            shown(theirs["utilisation"], ".1%"),
            shown(row["outside_products_and_attention"], ".1%"),
            shown(ours["peak_device_memory_bytes"], ",.0f", 2**-20),
            shown(theirs["peak_device_memory_bytes"], ",.0f", 2**-20),
        ))
    return "\n".join(aligned(lines))


def compare(options):
    gpu = gpu_name() if options.device == "cuda" else "cpu"
    if not gpu:
        print("skipped: no GPU (nvidia-smi shows none); nothing was measured")
        return
    check_temper(options)
    python = find_python(options)
    peak = peak_flops(options, gpu)
    rows, all_runs, versions = [], [], {}
    models = {name: model_folder(name, python) for name in dict.fromkeys(case.model for case in options.cases)}
    for case in options.cases:
        model = models[case.model]
        if model is None:
            continue
        with tempfile.TemporaryDirectory(prefix="temper-bench-") as name:
            runs, outside = measure(options, case, model, python, Path(name))
        rows.append(summary(case, model, runs, outside, peak))
        all_runs.append(runs)
        if python:
            versions = {key: runs["peer"][0][key] for key in ("torch", "transformers")}
    if not rows:
        raise Refusal("none of the models could be had, see above; nothing was measured")
    against = ", ".join(f"{key} {value}" for key, value in versions.items()) or "no peer"
    limit = f"peak {peak / 1e12:g} TFLOP/s" if peak else "peak not known (--peak), so no utilisation"
    print(f"{gpu}, {options.precision}, dropout {DROPOUT}, medians of {options.repeats}; {limit}; {against}\n")
    print(table(rows), flush=True)
    if options.json:
        print(json.dumps({"gpu": gpu, "precision": options.precision, "peak_flops": peak, **versions, "cases": rows,
                          "runs": all_runs}), flush=True)  # fmt: skip


def main():
    options = parse_options()
    return status_of("gpu.sh", lambda: compare(options))


if __name__ == "__main__":
    sys.exit(main())

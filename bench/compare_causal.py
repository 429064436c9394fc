"""Runs temper and a PyTorch DDP program in turns on the same causal language model and text, and prints medians and ratios.

Note: both train on whole blocks of the running text, or on conversations (a folder with train.jsonl), in f32 or bf16 (the
peer by autocast), all weights or LoRA, with AdamW, clipping at norm 1 and a linear schedule. Tokens per second leave out
the first step of each, which warms caches up, and the peer's padding. Both start from the same folder. Conversations are
the same ones in the same order, so what both have learnt can be compared; the orders of blocks differ.
"""

import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import compare_runs
from compare_runs import CHECKOUT, Refusal, aligned, first_existing, require, run, say, status_of, to_toml

# Shapes with random weights, as transformers' configurations take them.
SHAPES = {
    "small-llama": (
        "llama",
        {
            "hidden_size": 384,
            "num_hidden_layers": 6,
            "num_attention_heads": 6,
            "num_key_value_heads": 6,
            "intermediate_size": 1024,
            "vocab_size": 8192,
            "max_position_embeddings": 2048,
        },
    ),
    "gpt2": ("gpt2", {"vocab_size": 50257}),
}
FIGURES = (
    ("tokens_per_second", "tokens/s", ",.0f"),
    ("start_seconds", "start to first step, s", ",.2f"),
    ("wall_seconds", "seconds in all", ",.1f"),
    ("peak_memory_mib", "peak resident MiB per rank", ",.0f"),
    ("shared_once_mib", "the same, shared pages counted once", ",.0f"),
    ("held_out_loss", "held-out loss, nats per token", ".4f"),
)
MAKE_MODEL = """
import json, sys
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
import torch
kind, settings, text, folder = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3], sys.argv[4]
torch.manual_seed(0)
tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
size = min(settings["vocab_size"], 8192)
tokenizer.train([text], trainers.BpeTrainer(vocab_size=size, special_tokens=["<|end|>"], show_progress=False))
described = json.loads(tokenizer.to_str())
vocabulary = described["model"]["vocab"]
vocabulary.update({f"<unused {i}>": i for i in range(len(vocabulary), settings["vocab_size"])})
tokenizer = Tokenizer.from_str(json.dumps(described))
PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>").save_pretrained(folder)
config = AutoConfig.for_model(kind, bos_token_id=0, eos_token_id=0, pad_token_id=0, **settings)
AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
"""


def parse_options():
    shared = os.environ.get("TEMPER_SHARED_DIR")
    shared = Path(shared) if shared else CHECKOUT.parent / "shared"
    built = first_existing(*(CHECKOUT / "build" / name for name in ("release/temper", "bench/temper", "temper")))
    parser = argparse.ArgumentParser(prog="bench/against_causal.sh", description=__doc__.splitlines()[0])

    def add(name, default, text, **more):
        parser.add_argument(name, default=default, help=f"{text} (default: {default})", **more)

    add("--temper", built, "the temper program", type=Path, metavar="FILE")
    add("--peer", shared / "peer/causal_baseline.py", "the PyTorch DDP program", type=Path, metavar="FILE")
    parser.add_argument("--python", type=Path, metavar="FILE", help="has torch, transformers and peft (default: as against_ddp.sh)")
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="a decoder in Hugging Face layout")
    add("--shape", "small-llama", "without --model: random weights of this shape", choices=sorted(SHAPES))
    add("--data", shared / "data/wikitext2", "holds train.txt and validation.txt, or conversations as train.jsonl and validation.jsonl", type=Path, metavar="FOLDER")
    add("--mode", "full", "what is trained: all weights, or LoRA beside them", choices=("full", "lora"))
    add("--targets", "q_proj,v_proj", "of LoRA: the modules' names", metavar="NAMES")
    add("--rank", 8, "of LoRA; its alpha is twice as much", type=int, metavar="N")
    add("--precision", "f32", "of products and activations", choices=("f32", "bf16"))
    add("--ranks", 2, "processes", type=int, metavar="N")
    add("--threads", 1, "threads per rank", type=int, metavar="N")
    add("--batch", 8, "blocks or conversations per step, over all ranks", type=int, metavar="N")
    add("--block", 512, "tokens of a block, or of a conversation at most", type=int, metavar="N")
    add("--steps", 4, "optimizer steps", type=int, metavar="N")
    add("--held-out", 0, "conversations to measure the loss on after training; 0: none", type=int, metavar="N")
    add("--lr", 2e-4, "highest learning rate", type=float, metavar="RATE")
    add("--repeats", 1, "runs of each, in turns", type=int, metavar="N")
    parser.add_argument("--alone", action="store_true", help="run temper only")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    for name in ("ranks", "threads", "batch", "rank", "repeats"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} is {getattr(options, name)}; expected at least 1")
    if options.steps < 3:
        parser.error(f"--steps is {options.steps}; expected at least 3, since the first does not count")
    if options.batch % options.ranks != 0:
        parser.error(f"--batch {options.batch} does not divide by --ranks {options.ranks}; the peer would drop blocks")
    return options


def make_model(options, python):
    """A folder with random weights and a tokenizer learnt from the text, made once."""
    folder = CHECKOUT / "build/bench-models" / options.shape
    if not (folder / "model.safetensors").exists():
        say(f"making {folder}")
        kind, settings = SHAPES[options.shape]
        folder.mkdir(parents=True, exist_ok=True)
        command = [python, "-c", MAKE_MODEL, kind, json.dumps(settings), options.data / "train.txt", folder]
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
    return folder


def holds_conversations(options):
    return (options.data / "train.jsonl").exists()


def lines_of(path):
    with open(path, encoding="utf8") as file:
        return file.readlines()


def conversations(options, folder):
    """Writes the rows that the peer draws, in the order in which it trains on them; what [data] then says of them."""
    lines = lines_of(options.data / "train.jsonl")
    wanted = options.steps * options.batch
    if wanted > len(lines):
        raise Refusal(f"{options.data / 'train.jsonl'}: holds {len(lines)} conversations; {wanted} are wanted, of which none comes twice")
    rows = random.Random(1).sample(lines, wanted)
    order = list(range(wanted))
    random.Random(0).shuffle(order)
    (folder / "train.jsonl").write_text("".join(rows[i] for i in order), encoding="utf8")
    data = {"train": str(folder / "train.jsonl"), "pack": "none", "shuffle": False, "long_documents": "cut", "truncate": "right"}
    if options.held_out:
        held = lines_of(options.data / "validation.jsonl")
        drawn = random.Random(1).sample(held, min(options.held_out, len(held)))
        (folder / "validation.jsonl").write_text("".join(drawn), encoding="utf8")
        data["validation"] = str(folder / "validation.jsonl")
    return data


def running_text(options):
    return {"train": str((options.data / "train.txt").resolve()), "documents": "file", "pack": "blocks"}


def configuration(options, folder):
    never = 1_000_000_000
    data = conversations(options, folder) if holds_conversations(options) else running_text(options)
    lora = {"rank": options.rank, "alpha": 2 * options.rank, "targets": options.targets.split(",")}
    return to_toml(
        {
            "model": {"path": str(options.model.resolve()), "task": "causal-lm", "dropout": 0.0},
            "data": {**data, "max_length": options.block, "cache_dir": str(folder / "cache")},
            **({"lora": lora} if options.mode == "lora" else {}),
            "train": {
                "max_steps": options.steps,
                "batch_size": options.batch,
                "learning_rate": options.lr,
                "weight_decay": 0.01,
                "schedule": "linear",
                "warmup_ratio": 0.1,
                "clip_norm": 1.0,
                "precision": options.precision,
            },
            "evaluate": {"every_steps": never},
            "checkpoint": {"every_steps": never, "resume": False},
            "output": {"dir": str(folder / "run"), "log_every": 1, "tensorboard": False, "export_model": False},
            "run": {"device": "cpu", "threads": options.threads},
        }
    )


def steady_rate(lines):
    """Tokens per second of the steps after the first."""
    rates = [line["tokens_per_second"] for line in lines if line.get("kind") == "train"][1:]
    return len(rates) / sum(1 / rate for rate in rates)


def run_temper(options, folder):
    file = folder / "run.toml"
    file.write_text(configuration(options, folder), encoding="utf8")
    launcher = ["mpirun", "-n", options.ranks, "--oversubscribe", "--bind-to", "none"]
    metrics = folder / "run/metrics.jsonl"
    metrics.unlink(missing_ok=True)
    said, wall = run("temper", [*launcher, options.temper.resolve(), "train", file, "--json"], dict(os.environ))
    lines = [json.loads(line) for line in metrics.read_text(encoding="utf8").splitlines()]
    return {
        "tokens_per_second": steady_rate(lines),
        "start_seconds": said["seconds_to_first_step"],
        "wall_seconds": wall,
        "peak_memory_mib": said["peak_memory_bytes"] / 2**20,
        "shared_once_mib": said.get("proportional_memory_bytes", said["peak_memory_bytes"]) / 2**20,
        "held_out_loss": said["last"].get("loss") if options.held_out else None,
    }


def run_peer(options, python):
    environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads), HF_HUB_OFFLINE="1")
    command = [
        *(python, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", options.ranks, options.peer),
        *("--model", options.model.resolve(), "--data", options.data.resolve(), "--block", options.block),
        *("--batch", options.batch, "--steps", options.steps, "--lr", options.lr, "--eval-rows", options.held_out or options.ranks),
        *("--mode", options.mode, "--targets", options.targets, "--rank", options.rank),
        *(["--bf16"] if options.precision == "bf16" else []),
    ]
    said, wall = run("the peer", command, environment)
    return {
        "tokens_per_second": said["tokens_per_s_without_first_step"],
        "start_seconds": said["startup_s"],
        "wall_seconds": wall,
        "peak_memory_mib": said["peak_rss_mb"],
        "shared_once_mib": said["peak_rss_mb"],
        "held_out_loss": math.log(said["validation_perplexity"]) if options.held_out else None,
    }


def table(options, ours, theirs):
    title = "one run" if options.repeats == 1 else f"median of {options.repeats}"
    rows = [(title, "Temper", "peer", "Temper / peer")]
    for key, name, form in FIGURES:
        if ours[key] is None:
            continue
        peers = format(theirs[key], form) if theirs else "-"
        rows.append((name, format(ours[key], form), peers, f"{ours[key] / theirs[key]:.2f}" if theirs else "-"))
    trained = f"LoRA of rank {options.rank} on {options.targets}" if options.mode == "lora" else "all weights"
    unit = "conversations of at most" if holds_conversations(options) else "blocks of"
    what = (
        f"{options.model.resolve().name}, {trained}, {options.precision}, {options.steps} steps of {options.batch} {unit} "
        f"{options.block} tokens, {options.ranks} ranks of {options.threads} threads"
    )
    return "\n".join([what, "", *aligned(rows)])


def medians(runs):
    def median(key):
        return None if runs[0][key] is None else statistics.median(one[key] for one in runs)

    return {key: median(key) for key, _, _ in FIGURES} if runs else None


def compare(options):
    require(options.temper, "build it (cmake --preset release && cmake --build --preset release), or name it by --temper")
    require(options.peer, "name the PyTorch DDP program by --peer, or set TEMPER_SHARED_DIR to the folder above peer/")
    if not holds_conversations(options):
        require(options.data / "train.txt", "name a folder with train.txt and validation.txt, or with train.jsonl and validation.jsonl, by --data")
    python = None if options.alone and options.model else compare_runs.peer_python(options)
    options.model = options.model or make_model(options, python)
    require(options.model / "config.json", "name a decoder in Hugging Face layout by --model")
    runs = {"temper": [], "peer": []}
    with tempfile.TemporaryDirectory(prefix="temper-bench-") as name:
        folder = Path(name)
        for i in range(options.repeats):
            for who in ("temper", "peer") if not options.alone else ("temper",):
                figures = run_temper(options, folder) if who == "temper" else run_peer(options, python)
                runs[who].append(figures)
                say(f"{who}: run {i + 1} of {options.repeats}: {figures['tokens_per_second']:,.0f} tokens/s")
    ours, theirs = medians(runs["temper"]), medians(runs["peer"])
    print(table(options, ours, theirs), flush=True)
    if options.json:
        print(json.dumps({"temper": ours, "peer": theirs, "runs": runs}), flush=True)


def main():
    options = parse_options()
    return status_of("against_causal.sh", lambda: compare(options))


if __name__ == "__main__":
    sys.exit(main())

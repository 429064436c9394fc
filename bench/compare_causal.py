"""Runs temper and a PyTorch DDP program in turns on the same causal language model and text, and prints medians and ratios.

Note: both train on whole blocks of the running text, or on conversations (a folder with train.jsonl), in f32 or bf16 (the
peer by autocast), all weights or LoRA, with AdamW, clipping at norm 1 and a linear schedule. Tokens per second leave out
the first step of each, which warms caches up, and the peer's padding. Both start from the same folder. Conversations are
the same ones in the same order, so what both have learnt can be compared; the orders of blocks differ.
"""

import json
import math
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import in_turns
from in_turns import CHECKOUT, NEVER, OptionParser, Refusal, require, say, shared_folder, status_of

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
    shared = shared_folder()
    parser = OptionParser("bench/against_causal.sh", __doc__.splitlines()[0])
    add = parser.add
    add("--peer", shared / "peer/causal_baseline.py", "the PyTorch DDP program", type=Path, metavar="FILE")
    parser.add_python("torch, transformers and peft")
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
    parser.add_alone()
    parser.add_json()
    options = parser.parse_args()
    parser.expect_at_least_one(options, "ranks", "threads", "batch", "rank", "repeats")
    if options.steps < 3:
        parser.error(f"--steps is {options.steps}; expected at least 3, since the first does not count")
    parser.expect_whole_shares(options, "blocks")
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


def sections_of(options, folder):
    data = conversations(options, folder) if holds_conversations(options) else running_text(options)
    lora = {"rank": options.rank, "alpha": 2 * options.rank, "targets": options.targets.split(",")}
    return {
        "model": {"path": str(options.model.resolve()), "task": "causal-lm", "dropout": 0.0},
        "data": {**data, "max_length": options.block, "cache_dir": str(folder / "cache")},
        **({"lora": lora} if options.mode == "lora" else {}),
        "train": {
            "max_steps": options.steps,
            "batch_size": options.batch,
            "learning_rate": options.lr,
            "precision": options.precision,
            **in_turns.RECIPE,
        },
        "evaluate": {"every_steps": NEVER},
        **in_turns.training_alone(folder, log_every=1, device="cpu", threads=options.threads),
    }


def run_temper(options, folder):
    said, wall = in_turns.train(options, sections_of(options, folder), folder, in_turns.mpirun(options.ranks))
    return {
        "tokens_per_second": in_turns.steady_rate(folder, "tokens_per_second", options.batch),
        "start_seconds": said["seconds_to_first_step"],
        "wall_seconds": wall,
        **in_turns.memory_of(said),
        "held_out_loss": said["last"].get("loss") if options.held_out else None,
    }


def run_peer(options, python):
    said, wall = in_turns.run_ddp_peer(
        options, python,
        *("--model", options.model.resolve(), "--data", options.data.resolve(), "--block", options.block),
        *("--batch", options.batch, "--steps", options.steps, "--lr", options.lr, "--eval-rows", options.held_out or options.ranks),
        *("--mode", options.mode, "--targets", options.targets, "--rank", options.rank),
    )  # fmt: skip
    return {
        "tokens_per_second": said["tokens_per_s_without_first_step"],
        "start_seconds": said["startup_s"],
        "wall_seconds": wall,
        "peak_memory_mib": said["peak_rss_mb"],
        "shared_once_mib": said["peak_rss_mb"],
        "held_out_loss": math.log(said["validation_perplexity"]) if options.held_out else None,
    }


def title(options):
    trained = f"LoRA of rank {options.rank} on {options.targets}" if options.mode == "lora" else "all weights"
    unit = "conversations of at most" if holds_conversations(options) else "blocks of"
    return (
        f"{options.model.resolve().name}, {trained}, {options.precision}, {options.steps} steps of {options.batch} {unit} "
        f"{options.block} tokens, {options.ranks} ranks of {options.threads} threads"
    )


def compare(options):
    in_turns.require_temper(options)
    in_turns.require_peer(options)
    if not holds_conversations(options):
        require(options.data / "train.txt", "name a folder with train.txt and validation.txt, or with train.jsonl and validation.jsonl, by --data")
    python = None if options.alone and options.model else in_turns.peer_python(options)
    options.model = options.model or make_model(options, python)
    require(options.model / "config.json", "name a decoder in Hugging Face layout by --model")
    with tempfile.TemporaryDirectory(prefix="temper-bench-") as name:
        programs = {"temper": lambda _: run_temper(options, Path(name)), "peer": lambda _: run_peer(options, python)}
        in_turns.compare(options, programs, FIGURES, lambda one: f"{one['tokens_per_second']:,.0f} tokens/s", title(options))


def main():
    options = parse_options()
    return status_of("against_causal.sh", lambda: compare(options))


if __name__ == "__main__":
    sys.exit(main())

"""Trains a small Llama with Temper and with PyTorch: the same weights, rows, order and rates. Prints what both have learnt.

    python bench/learning.py build/release/temper TRAIN.txt HELD_OUT.txt [--seeds 0 1 2] [--steps 200] [--ranks 2]

Needs torch, transformers, tokenizers and, for more than one rank, mpirun. The text is cut into blocks of tokens of a
byte-level BPE that is learnt from it. Temper is given the blocks as words, one for each token, so that both programs
read the very same numbers; the last lines of metrics.jsonl and of the loop below are compared.
"""

import argparse
import json
import random
import subprocess
import tempfile
from pathlib import Path

import torch
import transformers
from in_turns import mpirun, to_toml
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

VOCABULARY = 2048
BLOCK = 128
BATCH = 8
RATE = 1e-3
WARMUP = 0.1
SHAPE = {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 344}


def blocks_of(path, tokenizer):
    ids = tokenizer.encode(path.read_text(encoding="utf8")).ids
    return [ids[i : i + BLOCK] for i in range(0, len(ids) - BLOCK + 1, BLOCK)]


def learnt_tokenizer(path):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train([str(path)], trainers.BpeTrainer(vocab_size=VOCABULARY, show_progress=False))
    return tokenizer


def number_tokenizer():
    """Token i is the word "ti"."""
    tokenizer = Tokenizer(models.WordLevel({f"t{i}": i for i in range(VOCABULARY)}, unk_token="t0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def write_rows(path, rows):
    with open(path, "w", encoding="utf8") as file:
        for row in rows:
            file.write(json.dumps({"text": " ".join(f"t{i}" for i in row)}) + "\n")


def train_temper(temper, folder, ranks):
    settings = {
        "model": {"path": "model", "task": "causal-lm"},
        "data": {"train": "train.jsonl", "validation": "held.jsonl", "max_length": BLOCK, "pack": "none", "end_token": "none", "shuffle": False},
        "train": {"epochs": 1, "batch_size": BATCH, "learning_rate": RATE, "warmup_ratio": WARMUP},
        "output": {"dir": "out", "log_every": 1, "tensorboard": False},
        "run": {"device": "cpu"},
    }
    (folder / "run.toml").write_text(to_toml(settings), encoding="utf8")
    launcher = [str(word) for word in mpirun(ranks)] if ranks > 1 else []
    subprocess.run(launcher + [str(temper), "train", "run.toml"], cwd=folder, check=True, capture_output=True)
    lines = [json.loads(line) for line in (folder / "out/metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if line["kind"] == "train"], lines[-2]["loss"]


def loss_of(model, rows):
    ids = torch.tensor(rows)
    return model(input_ids=ids, labels=ids).loss


def train_torch(model, rows, held, steps):
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}], lr=RATE)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, int(WARMUP * steps), steps)
    losses = []
    for step in range(steps):
        loss = loss_of(model, rows[step * BATCH : (step + 1) * BATCH])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    with torch.no_grad():
        return losses, sum(loss_of(model, [row]).item() for row in held) / len(held)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("temper", type=Path)
    parser.add_argument("train", type=Path)
    parser.add_argument("held_out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--ranks", type=int, default=2)
    arguments = parser.parse_args()
    tokenizer = learnt_tokenizer(arguments.train)
    rows, held = blocks_of(arguments.train, tokenizer), blocks_of(arguments.held_out, tokenizer)[:100]
    for seed in arguments.seeds:
        order = []
        while len(order) < arguments.steps * BATCH:
            order += random.Random(seed + len(order)).sample(rows, len(rows))
        order = order[: arguments.steps * BATCH]
        torch.manual_seed(seed)
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(vocab_size=VOCABULARY, max_position_embeddings=BLOCK, pad_token_id=None, **SHAPE))
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            model.save_pretrained(folder / "model")
            number_tokenizer().save_pretrained(folder / "model")
            write_rows(folder / "train.jsonl", order)
            write_rows(folder / "held.jsonl", held)
            steps, loss = train_temper(arguments.temper.resolve(), folder, arguments.ranks)
        torch_steps, torch_loss = train_torch(model, order, held, arguments.steps)
        farthest = max(abs(a - b) for a, b in zip(steps, torch_steps, strict=True))
        print(f"seed {seed}: held-out loss {loss:.5f}, PyTorch {torch_loss:.5f}; losses of steps apart by at most {farthest:.1e}", flush=True)


if __name__ == "__main__":
    main()

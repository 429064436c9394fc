"""The program to compare with on a GPU: the same fine-tune in PyTorch with Hugging Face transformers.

    python bench/gpu_peer.py train --model FOLDER --rows rows.csv --length 128 --batch 128
    python bench/gpu_peer.py make-bert-base build/bench-models/bert-base --tokenizer tokenizer.json

BertForSequenceClassification with scaled dot product attention, bf16 autocast or f32, fused AdamW, clipping at norm 1
and a linear schedule. Every row has the same number of tokens, so nothing is padded and no mask is given, which lets
PyTorch take its fastest attention. All rows lie tokenised on the GPU before the first step, and between the first and
the last step that counts this program waits for the GPU nowhere. Prints one JSON object.
"""

import argparse
import csv
import json
import random
import shutil
import time
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer

LABELS = ("one", "two")


def read_rows(options):
    tokenizer = Tokenizer.from_file(str(options.model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    with open(options.rows, encoding="utf8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    ids = [tokenizer.encode(text).ids for text, _ in rows]
    wrong = sorted({len(row) for row in ids} - {options.length})
    if wrong:
        raise SystemExit(f"{options.rows}: has rows of {wrong} tokens; expected {options.length} in each")
    labels = [LABELS.index(label) for _, label in rows]
    return torch.tensor(ids, device=options.device), torch.tensor(labels, device=options.device)


def make_model(options):
    config = transformers.BertConfig.from_pretrained(
        options.model, num_labels=len(LABELS), hidden_dropout_prob=options.dropout,
        attention_probs_dropout_prob=options.dropout,
    )
    model = transformers.BertForSequenceClassification.from_pretrained(
        options.model, config=config, attn_implementation="sdpa"
    )
    return model.float().to(options.device).train()


def make_optimizer(model, options, steps):
    parameters = list(model.named_parameters())
    spared = ("bias", "LayerNorm.weight")  # by weight decay
    groups = [
        {"params": [p for name, p in parameters if not name.endswith(spared)], "weight_decay": 0.01},
        {"params": [p for name, p in parameters if name.endswith(spared)], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=options.lr, fused=True)
    rising = max(1, steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / rising, (steps - step) / max(1, steps - rising))
    )
    return optimizer, schedule


def batches(count, steps, options):
    """Row numbers of each step: epoch after epoch, in another order each time."""
    generator = random.Random(options.seed)
    order = []
    for _ in range(steps):
        if len(order) < options.batch:
            order = list(range(count))
            generator.shuffle(order)
        yield torch.tensor(order[: options.batch], device=options.device)
        order = order[options.batch :]


def synchronize(device):
    if device == "cuda":
        torch.cuda.synchronize()


def train(options):
    torch.manual_seed(options.seed)
    tokens, labels = read_rows(options)
    model = make_model(options)
    steps = options.warm_up + options.steps
    optimizer, schedule = make_optimizer(model, options, steps)
    in_bf16 = torch.autocast(options.device, dtype=torch.bfloat16, enabled=options.precision == "bf16")
    start = 0.0
    rows_of_steps = list(batches(len(tokens), steps, options))
    for step, rows in enumerate(rows_of_steps):
        if step == options.warm_up:
            synchronize(options.device)
            start = time.perf_counter()
        with in_bf16:
            loss = model(input_ids=tokens[rows], labels=labels[rows]).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
    synchronize(options.device)
    seconds = time.perf_counter() - start
    examples = options.steps * options.batch
    on_gpu = options.device == "cuda"
    print(json.dumps({
        "examples_per_second": examples / seconds,
        "tokens_per_second": examples * options.length / seconds,
        "peak_device_memory_bytes": torch.cuda.max_memory_allocated() if on_gpu else None,
        "peak_reserved_memory_bytes": torch.cuda.max_memory_reserved() if on_gpu else None,
        "loss": loss.item(),
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }))


def make_bert_base(options):
    """BERT-base with random weights; its vocabulary is that of the tokenizer."""
    torch.manual_seed(0)
    config = transformers.BertConfig(num_labels=len(LABELS))
    entries = Tokenizer.from_file(str(options.tokenizer)).get_vocab_size()
    if entries != config.vocab_size:
        raise SystemExit(f"{options.tokenizer}: has {entries} entries, expected the {config.vocab_size} of BERT-base")
    partial = options.folder.with_name(options.folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    transformers.BertForSequenceClassification(config).save_pretrained(partial)
    shutil.copy(options.tokenizer, partial / "tokenizer.json")
    partial.rename(options.folder)
    print(json.dumps({"model": str(options.folder)}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("train", help="run, and print the speed")
    command.set_defaults(run=train)
    command.add_argument("--model", type=Path, required=True)
    command.add_argument("--rows", type=Path, required=True, help="CSV: text, label")
    command.add_argument("--length", type=int, required=True, help="tokens of every row")
    command.add_argument("--batch", type=int, required=True)
    command.add_argument("--steps", type=int, default=50, help="that count")
    command.add_argument("--warm-up", type=int, default=10, help="steps before them")
    command.add_argument("--precision", choices=("bf16", "f32"), default="bf16")
    command.add_argument("--dropout", type=float, default=0.1)
    command.add_argument("--lr", type=float, default=2e-5)
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    command = commands.add_parser("make-bert-base", help="write a BERT-base with random weights")
    command.set_defaults(run=make_bert_base)
    command.add_argument("folder", type=Path)
    command.add_argument("--tokenizer", type=Path, required=True)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()

"""Writes reference.json: what PyTorch computes in bf16 (autocast) from the encoder fixtures, and how far that lies
from its own f32.

    python make_reference.py FIXTURES_MODELS_DIR > reference.json      # needs torch, transformers, safetensors

For each fixture: the loss and the logits in bf16; for each trained parameter the distance of the bf16 gradient from the
f32 gradient, as a share of the latter's norm; losses and gradient norms of five optimizer steps; and the distance of
the weights after them, relative to how far f32 moved them.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file

FIXTURES = {
    "bert-classification": transformers.BertForSequenceClassification,
    "bert-regression": transformers.BertForSequenceClassification,
    "bert-multilabel": transformers.BertForSequenceClassification,
    "bert-tokens": transformers.BertForTokenClassification,
    "bert-masked-lm": transformers.BertForMaskedLM,
    "bert-frozen": transformers.BertForSequenceClassification,
    "roberta-classification": transformers.RobertaForSequenceClassification,
    "distilbert-classification": transformers.DistilBertForSequenceClassification,
}


def distance(a, b):
    return ((a - b).double().norm() / b.double().norm()).item()


def load(folder, kind):
    model = kind.from_pretrained(folder)
    model.eval()  # dropout off
    if folder.name == "bert-frozen":
        frozen = [model.bert.embeddings, *model.bert.encoder.layer[:2]]
        for part in frozen:
            part.requires_grad_(False)
    return model


def forward(model, inputs, bf16):
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        return model(**inputs)


def gradients(model, inputs, bf16):
    out = forward(model, inputs, bf16)
    out.loss.backward()
    # Keys have no use for a bias: it adds the same to all scores of a query. Its gradient is rounding and nothing else.
    found = {
        name: p.grad.clone()
        for name, p in model.named_parameters()
        if p.grad is not None and not name.endswith(("key.bias", "k_lin.bias"))
    }
    model.zero_grad()
    return out, found


def five_steps(model, inputs, bf16):
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": 0.01},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.999), eps=1e-8)
    losses, norms = [], []
    for _ in range(5):
        loss = forward(model, inputs, bf16).loss
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(trained, 1.0).item())
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses, norms, {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


def reference(folder, kind):
    inputs = load_file(folder / "inputs.safetensors")
    out, in_bf16 = gradients(load(folder, kind), inputs, True)
    _, in_f32 = gradients(load(folder, kind), inputs, False)
    before = {name: p.detach().clone() for name, p in load(folder, kind).named_parameters()}
    losses, norms, after_bf16 = five_steps(load(folder, kind), inputs, True)
    _, _, after_f32 = five_steps(load(folder, kind), inputs, False)
    moved = {name: distance(after_bf16[name] - before[name], after_f32[name] - before[name]) for name in in_f32}
    return {
        "loss": out.loss.item(),
        "logits": [round(x, 6) for x in out.logits.float().flatten().tolist()] if out.logits.numel() < 300 else [],
        "gradient_distances": {name: round(distance(in_bf16[name], in_f32[name]), 6) for name in in_f32},
        "losses": losses,
        "gradient_norms": norms,
        "movement_distances": {name: round(value, 6) for name, value in moved.items()},
    }


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    root = Path(sys.argv[1])
    result = {"made_with": {"torch": torch.__version__, "transformers": transformers.__version__}}
    result |= {name: reference(root / name, kind) for name, kind in FIXTURES.items()}
    json.dump(result, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()

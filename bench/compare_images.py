"""Fine-tunes an image classifier with Temper and with a PyTorch DDP program, and prints medians and ratios.

Both figures of images/s are of the steps behind the first, the reading and augmenting of pictures included. Weights are
random: of a shape below, or of a folder. The pictures are those of the folder --data (train/CLASS and test/CLASS), in
an order of each program's own.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

import compare_runs
from compare_runs import CHECKOUT, Refusal, aligned, first_existing, require, run, say, status_of, to_toml

VIT = {"model_type": "vit", "architectures": ["ViTForImageClassification"], "patch_size": 16, "num_channels": 3, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "qkv_bias": True}
RESNET = {"model_type": "resnet", "architectures": ["ResNetForImageClassification"], "num_channels": 3, "embedding_size": 64, "hidden_act": "relu"}
SHAPES = {
    "vit-tiny-16": {**VIT, "hidden_size": 192, "num_hidden_layers": 12, "num_attention_heads": 3, "intermediate_size": 768},
    "vit-small-16": {**VIT, "hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6, "intermediate_size": 1536},
    "vit-base-16": {**VIT, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
    "resnet-18": {**RESNET, "depths": [2, 2, 2, 2], "hidden_sizes": [64, 128, 256, 512], "layer_type": "basic"},
    "resnet-50": {**RESNET, "depths": [3, 4, 6, 3], "hidden_sizes": [256, 512, 1024, 2048], "layer_type": "bottleneck"},
}
FIGURES = (
    ("images_per_second", "images/s", ",.2f"),
    ("start_seconds", "start to the first step, s", ".2f"),
    ("peak_memory_mib", "peak memory of a rank, MiB", ",.0f"),
    ("shared_once_mib", "the same, shared pages once, MiB", ",.0f"),
    ("auroc", "AUROC on the test pictures", ".4f"),
)


def parse_options():
    shared = os.environ.get("TEMPER_SHARED_DIR")
    shared = Path(shared) if shared else CHECKOUT.parent / "shared"
    built = first_existing(*(CHECKOUT / "build" / name for name in ("release/temper", "bench/temper", "temper")))
    parser = argparse.ArgumentParser(prog="bench/against_images.sh", description=__doc__.splitlines()[0])

    def add(name, default, text, **more):
        parser.add_argument(name, default=default, help=f"{text} (default: {default})", **more)

    add("--temper", built, "the temper program", type=Path, metavar="FILE")
    add("--peer", shared / "peer/image_baseline.py", "the PyTorch DDP program", type=Path, metavar="FILE")
    parser.add_argument("--python", type=Path, metavar="FILE", help="has torch, torchvision and transformers (default: as against_ddp.sh)")
    add("--shape", "vit-small-16", "random weights of this shape", choices=sorted(SHAPES))
    add("--data", shared / "data/chest_xray", "holds train/CLASS and test/CLASS", type=Path, metavar="FOLDER")
    add("--size", 224, "pixels of a side", type=int, metavar="N")
    add("--precision", "f32", "of products and activations", choices=("f32", "bf16"))
    add("--batch-norm", "live", "statistics of batch norms, of networks that have some: the peer's are live", choices=("live", "frozen"))
    add("--freeze", "", "patterns of what Temper freezes, by commas (the peer: --head-only)", metavar="PATTERNS")
    add("--ranks", 2, "processes", type=int, metavar="N")
    add("--threads", 1, "threads per rank", type=int, metavar="N")
    add("--batch", 16, "images per step, over all ranks", type=int, metavar="N")
    add("--steps", 4, "optimizer steps; 0: as many as --epochs have", type=int, metavar="N")
    add("--epochs", 1, "with --steps 0", type=int, metavar="N")
    add("--eval-rows", 16, "test pictures that are measured afterwards; 0: all", type=int, metavar="N")
    add("--lr", 1e-4, "highest learning rate", type=float, metavar="RATE")
    add("--seed", 0, "of weights and order", type=int, metavar="N")
    add("--repeats", 1, "runs of each, in turns", type=int, metavar="N")
    parser.add_argument("--alone", action="store_true", help="run temper only")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    for name in ("ranks", "threads", "batch", "size", "repeats"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} is {getattr(options, name)}; expected at least 1")
    if 0 < options.steps < 3:
        parser.error(f"--steps is {options.steps}; expected at least 3, since the first does not count")
    if options.batch % options.ranks != 0:
        parser.error(f"--batch {options.batch} does not divide by --ranks {options.ranks}; the peer would drop pictures")
    return options


def make_model(options, folder):
    model = folder / "model"
    model.mkdir(exist_ok=True)
    shape = dict(SHAPES[options.shape])
    if shape["model_type"] == "vit":
        shape["image_size"] = options.size
    (model / "config.json").write_text(json.dumps(shape), encoding="utf8")
    side = {"height": options.size, "width": options.size}
    processor = {"do_resize": True, "size": side, "resample": 2, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (model / "preprocessor_config.json").write_text(json.dumps(processor), encoding="utf8")
    return model


def test_pictures(options, folder):
    """Some of the test pictures, by links; all of them where none are counted."""
    test = options.data / "test"
    if options.eval_rows == 0:
        return test
    chosen = folder / "test"
    for of_class in sorted(path for path in test.iterdir() if path.is_dir()):
        (chosen / of_class.name).mkdir(parents=True, exist_ok=True)
        for file in sorted(of_class.iterdir())[: max(1, options.eval_rows // 2)]:
            link = chosen / of_class.name / file.name
            if not link.exists():
                link.symlink_to(file.resolve())
    return chosen


def configuration(options, folder):
    never = 1_000_000_000
    length = {"max_steps": options.steps} if options.steps else {"epochs": options.epochs}
    sections = {
        "model": {"path": str(make_model(options, folder)), "task": "image-classification", "initialize": True, "dropout": 0.0},
        "data": {"train": str((options.data / "train").resolve()), "test": str(test_pictures(options, folder).resolve())},
        "augment": {"crop_scale": [0.7, 1.0], "horizontal_flip": 0.5},
        "train": {
            **length,
            "batch_size": options.batch,
            "learning_rate": options.lr,
            "weight_decay": 0.01,
            "schedule": "linear",
            "warmup_ratio": 0.1,
            "clip_norm": 1.0,
            "precision": options.precision,
            "seed": options.seed,
        },
        "evaluate": {"every_steps": never},
        "checkpoint": {"every_steps": never, "resume": False},
        "output": {"dir": str(folder / "run"), "log_every": 1, "tensorboard": False, "export_model": False},
        "run": {"device": "cpu", "threads": options.threads},
    }
    if SHAPES[options.shape]["model_type"] == "resnet":
        sections["train"]["batch_norm"] = options.batch_norm
    if options.freeze:
        sections["tuning"] = {"freeze": options.freeze.split(",")}
        sections["augment"] = {"crop_scale": [], "horizontal_flip": 0.0}
    return to_toml(sections)


def run_temper(options, folder):
    file = folder / "run.toml"
    file.write_text(configuration(options, folder), encoding="utf8")
    launcher = ["mpirun", "-n", options.ranks, "--oversubscribe", "--bind-to", "none"]
    metrics = folder / "run/metrics.jsonl"
    metrics.unlink(missing_ok=True)
    said, _ = run("temper", [*launcher, options.temper.resolve(), "train", file, "--json"], dict(os.environ))
    rates = [line["examples_per_second"] for line in map(json.loads, metrics.read_text(encoding="utf8").splitlines()) if line.get("kind") == "train"][1:]
    # With frozen layers the first epoch fills their cache; what comes behind it is the rate.
    return {
        "images_per_second": len(rates) / sum(1 / rate for rate in rates),
        "start_seconds": said["seconds_to_first_step"],
        "peak_memory_mib": said["peak_memory_bytes"] / 2**20,
        "shared_once_mib": said.get("proportional_memory_bytes", said["peak_memory_bytes"]) / 2**20,
        "auroc": (said.get("test") or {}).get("auroc"),
    }


def run_peer(options, python):
    environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads), HF_HUB_OFFLINE="1")
    command = [
        *(python, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", options.ranks, options.peer),
        *("--random", options.shape, "--data", options.data.resolve(), "--size", options.size, "--batch", options.batch),
        *("--steps", options.steps, "--epochs", options.epochs, "--lr", options.lr, "--seed", options.seed, "--eval-rows", options.eval_rows),
        *(["--bf16"] if options.precision == "bf16" else []),
        *(["--head-only"] if options.freeze else []),
        *(["--channels-last"] if SHAPES[options.shape]["model_type"] == "resnet" else []),
    ]
    said, _ = run("the peer", command, environment)
    return {
        "images_per_second": said["images_per_s_without_first_step"],
        "start_seconds": said["startup_s"],
        "peak_memory_mib": said["peak_rss_mb"],
        "shared_once_mib": said["peak_rss_mb"],
        "auroc": said["auroc"],
    }


def table(options, ours, theirs):
    title = "one run" if options.repeats == 1 else f"median of {options.repeats}"
    rows = [(title, "Temper", "peer", "Temper / peer")]
    for key, name, form in FIGURES:
        if ours[key] is None:
            continue
        known = theirs is not None and theirs[key] is not None
        rows.append((name, format(ours[key], form), format(theirs[key], form) if known else "-", f"{ours[key] / theirs[key]:.2f}" if known else "-"))
    what = f"{options.shape}, {options.size} pixels, {options.precision}, steps of {options.batch} images, {options.ranks} ranks of {options.threads} threads"
    return "\n".join([what + (f", frozen: {options.freeze}" if options.freeze else ""), "", *aligned(rows)])


def medians(runs):
    def median(key):
        return None if runs[0][key] is None else statistics.median(one[key] for one in runs)

    return {key: median(key) for key, _, _ in FIGURES} if runs else None


def compare(options):
    require(options.temper, "build it (cmake --preset release && cmake --build --preset release), or name it by --temper")
    if not (options.data / "train").is_dir():
        raise Refusal(f"{options.data / 'train'}: no such folder; name one with train/CLASS and test/CLASS by --data")
    if not options.alone:
        require(options.peer, "name the PyTorch DDP program by --peer, or set TEMPER_SHARED_DIR to the folder above peer/")
    python = None if options.alone else compare_runs.peer_python(options)
    if python is not None and compare_runs.import_problem(python, "torchvision, PIL"):
        raise Refusal(f"{python}: has no torchvision, by which the peer reads pictures; install it there (pip install torchvision)")
    runs = {"temper": [], "peer": []}
    with tempfile.TemporaryDirectory(prefix="temper-bench-") as name:
        folder = Path(name)
        for i in range(options.repeats):
            for who in ("temper",) if options.alone else ("temper", "peer"):
                figures = run_temper(options, folder) if who == "temper" else run_peer(options, python)
                runs[who].append(figures)
                say(f"{who}: run {i + 1} of {options.repeats}: {figures['images_per_second']:,.2f} images/s")
    ours, theirs = medians(runs["temper"]), medians(runs["peer"])
    print(table(options, ours, theirs), flush=True)
    if options.json:
        print(json.dumps({"temper": ours, "peer": theirs, "runs": runs}), flush=True)


def main():
    options = parse_options()
    return status_of("against_images.sh", lambda: compare(options))


if __name__ == "__main__":
    sys.exit(main())

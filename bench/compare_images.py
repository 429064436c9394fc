"""Fine-tunes an image classifier with Temper and with a PyTorch DDP program, and prints medians and ratios.

Both figures of images/s are of the steps behind the first, the reading and augmenting of pictures included. Weights are
random: of a shape below, or of a folder. The pictures are those of the folder --data (train/CLASS and test/CLASS), in
an order of each program's own.
"""

import json
import sys
import tempfile
from pathlib import Path

import in_turns
from in_turns import NEVER, OptionParser, Refusal, shared_folder, status_of

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
    shared = shared_folder()
    parser = OptionParser("bench/against_images.sh", __doc__.splitlines()[0])
    add = parser.add
    add("--peer", shared / "peer/image_baseline.py", "the PyTorch DDP program", type=Path, metavar="FILE")
    parser.add_python("torch, torchvision and transformers")
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
    parser.add_alone()
    parser.add_json()
    options = parser.parse_args()
    parser.expect_at_least_one(options, "ranks", "threads", "batch", "size", "repeats")
    if 0 < options.steps < 3:
        parser.error(f"--steps is {options.steps}; expected at least 3, since the first does not count")
    parser.expect_whole_shares(options, "pictures")
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


def sections_of(options, folder):
    length = {"max_steps": options.steps} if options.steps else {"epochs": options.epochs}
    sections = {
        "model": {"path": str(make_model(options, folder)), "task": "image-classification", "initialize": True, "dropout": 0.0},
        "data": {"train": str((options.data / "train").resolve()), "test": str(test_pictures(options, folder).resolve())},
        "augment": {"crop_scale": [0.7, 1.0], "horizontal_flip": 0.5},
        "train": {
            **length,
            "batch_size": options.batch,
            "learning_rate": options.lr,
            "precision": options.precision,
            "seed": options.seed,
            **in_turns.RECIPE,
        },
        "evaluate": {"every_steps": NEVER},
        **in_turns.training_alone(folder, log_every=1, device="cpu", threads=options.threads),
    }
    if SHAPES[options.shape]["model_type"] == "resnet":
        sections["train"]["batch_norm"] = options.batch_norm
    if options.freeze:
        sections["tuning"] = {"freeze": options.freeze.split(",")}
        sections["augment"] = {"crop_scale": [], "horizontal_flip": 0.0}
    return sections


def run_temper(options, folder):
    said, _ = in_turns.train(options, sections_of(options, folder), folder, in_turns.mpirun(options.ranks))
    return {
        "images_per_second": in_turns.steady_rate(folder, "examples_per_second", options.batch),
        "start_seconds": said["seconds_to_first_step"],
        **in_turns.memory_of(said),
        "auroc": (said.get("test") or {}).get("auroc"),
    }


def run_peer(options, python):
    said, _ = in_turns.run_ddp_peer(
        options, python,
        *("--random", options.shape, "--data", options.data.resolve(), "--size", options.size, "--batch", options.batch),
        *("--steps", options.steps, "--epochs", options.epochs, "--lr", options.lr, "--seed", options.seed, "--eval-rows", options.eval_rows),
        *(["--head-only"] if options.freeze else []),
        *(["--channels-last"] if SHAPES[options.shape]["model_type"] == "resnet" else []),
    )  # fmt: skip
    return {
        "images_per_second": said["images_per_s_without_first_step"],
        "start_seconds": said["startup_s"],
        "peak_memory_mib": said["peak_rss_mb"],
        "shared_once_mib": said["peak_rss_mb"],
        "auroc": said["auroc"],
    }


def title(options):
    what = f"{options.shape}, {options.size} pixels, {options.precision}, steps of {options.batch} images, {options.ranks} ranks of {options.threads} threads"
    return what + (f", frozen: {options.freeze}" if options.freeze else "")


def compare(options):
    in_turns.require_temper(options)
    if not (options.data / "train").is_dir():
        raise Refusal(f"{options.data / 'train'}: no such folder; name one with train/CLASS and test/CLASS by --data")
    if not options.alone:
        in_turns.require_peer(options)
    python = None if options.alone else in_turns.peer_python(options)
    if python is not None and in_turns.import_problem(python, "torchvision, PIL"):
        raise Refusal(f"{python}: has no torchvision, by which the peer reads pictures; install it there (pip install torchvision)")
    with tempfile.TemporaryDirectory(prefix="temper-bench-") as name:
        programs = {"temper": lambda _: run_temper(options, Path(name)), "peer": lambda _: run_peer(options, python)}
        in_turns.compare(options, programs, FIGURES, lambda one: f"{one['images_per_second']:,.2f} images/s", title(options))


def main():
    options = parse_options()
    return status_of("against_images.sh", lambda: compare(options))


if __name__ == "__main__":
    sys.exit(main())

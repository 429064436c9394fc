#!/usr/bin/env python3
"""Shows that a model of 7 billion parameters in bf16 starts without anything being held twice.

    tests/seven_billion.py BUILD/temper [--folder /tmp/seven] [--ranks 1,2] [--layers 32] [--lora 8] [--keep]

Writes a folder of Llama-2-7B's shape (or of fewer layers) with random weights, 13.5 GB in shards, plans a run that
trains its last layer, and does two steps of it on each number of ranks, reading what is resident in each rank while it
runs. With --lora RANK adapters of this rank are trained at all linear layers instead, and speed and the sizes of the
checkpoint and the adapter are told, too. Fails unless every rank's private memory is what the plan says it is, with
nothing for the frozen weights, which are mapped. Needs numpy, the room on disk, and memory for the page cache.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy

VOCABULARY = 32000
SHARD_BYTES = 5 << 30
# Beside the plan: blocks of weights that are widened, and MPI.
BESIDE_MIB = 256


def tensors(layers, width, inner):
    yield "model.embed_tokens.weight", (VOCABULARY, width)
    for i in range(layers):
        layer = f"model.layers.{i}."
        yield layer + "input_layernorm.weight", (width,)
        for name in "qkvo":
            yield layer + f"self_attn.{name}_proj.weight", (width, width)
        yield layer + "post_attention_layernorm.weight", (width,)
        yield layer + "mlp.gate_proj.weight", (inner, width)
        yield layer + "mlp.up_proj.weight", (inner, width)
        yield layer + "mlp.down_proj.weight", (width, inner)
    yield "model.norm.weight", (width,)
    yield "lm_head.weight", (VOCABULARY, width)


def in_bf16(values):
    """Rounded to nearest even."""
    bits = values.astype(numpy.float32).view(numpy.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(numpy.uint16)


def write_shard(path, shard, block):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in shard:
        size = 2 * int(numpy.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % 64)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for number, (name, shape) in enumerate(shard):
            left = int(numpy.prod(shape))
            if name.endswith("norm.weight"):
                file.write(in_bf16(numpy.ones(left)).tobytes())
                continue
            # Cut from one block of random numbers, each tensor elsewhere.
            begin = number * 7919 % len(block)
            while left > 0:
                piece = block[begin : begin + left]
                file.write(piece.tobytes())
                left, begin = left - len(piece), 0


def write_model(folder, layers, width, inner):
    folder.mkdir(parents=True)
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": width,
        "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": width // 128,
        "num_key_value_heads": width // 128, "vocab_size": VOCABULARY, "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    words = {"<unk>": 0, **{f"w{i}": i for i in range(1, VOCABULARY)}}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
        "model": {"type": "WordLevel", "vocab": words, "unk_token": "<unk>"},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    block = in_bf16(numpy.random.default_rng(7).standard_normal(1 << 25, dtype=numpy.float32) * 0.02)
    shards, size = [[]], 0
    for name, shape in tensors(layers, width, inner):
        bytes_of_tensor = 2 * int(numpy.prod(shape))
        if size + bytes_of_tensor > SHARD_BYTES and shards[-1]:
            shards.append([])
            size = 0
        shards[-1].append((name, shape))
        size += bytes_of_tensor
    where = {}
    for i, shard in enumerate(shards):
        file = f"model-{i + 1:05}-of-{len(shards):05}.safetensors"
        write_shard(folder / file, shard, block)
        where.update({name: file for name, _ in shard})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))


def write_text(path, words):
    random = numpy.random.default_rng(8)
    lines = [" ".join(f"w{i}" for i in random.integers(1, VOCABULARY, words - 1)) for _ in range(8)]
    path.write_text("\n".join(lines) + "\n")


def memory_of(pid):
    """MiB: private, shared windows, mapped files, and what was swapped out; none where the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    read = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("Rss", "VmSwap"))}
    return {name: int(read.get(name, 0)) >> 10 for name in ("RssAnon", "RssShmem", "RssFile", "VmSwap")}


def ranks_of(program):
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "exe").resolve() == program and b"train" in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:
            pass
    return found


def train(program, run, ranks, output):
    command = [str(program), "train", str(run), "--set", f"output.dir={output}", "--json"]
    if ranks > 1:
        command = ["mpirun", "-n", str(ranks), "--oversubscribe", *command]
    environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    most = {}
    with open(f"{output}.log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
        while process.poll() is None:
            time.sleep(0.2)
            for pid in ranks_of(program):
                now = memory_of(pid)
                if now:
                    known = most.setdefault(pid, dict.fromkeys(now, 0))
                    for name, value in now.items():
                        known[name] = max(known[name], value)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)}: ended with {process.returncode}\n{Path(f'{output}.log').read_text()}")
    return most, json.loads(Path(f"{output}.log").read_text().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/seven"))
    parser.add_argument("--ranks", default="1,2")
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--width", type=int, default=4096)
    parser.add_argument("--inner", type=int, default=11008)
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--lora", type=int, default=0, metavar="RANK", help="train adapters at all linear layers")
    parser.add_argument("--length", type=int, default=32, help="tokens per text")
    parser.add_argument("--keep", action="store_true", help="leave the folder there")
    options = parser.parse_args()
    program = options.program.resolve()
    model = options.folder / "model"
    try:
        if not model.exists():
            write_model(model, options.layers, options.width, options.inner)
        write_text(options.folder / "text.txt", options.length)
        weights = sum(file.stat().st_size for file in model.glob("*.safetensors"))
        print(f"weights: {weights >> 20} MiB in {len(list(model.glob('*.safetensors')))} files")
        run = options.folder / "run.toml"
        frozen = ["embed_tokens", f"layers.0-{options.layers - 2}", "lm_head"]
        trained = f"lora = {{ rank = {options.lora} }}" if options.lora else f"tuning = {{ freeze = {json.dumps(frozen)} }}"
        run.write_text(f"""
model = {{ path = "{model}", task = "causal-lm" }}
data = {{ train = "{options.folder}/text.txt", max_length = {options.length}, cache = false }}
{trained}
train = {{ batch_size = 4, epochs = 1, grains = 2, precision = "{options.precision}" }}
output = {{ export_model = {"true" if options.lora else "false"}, log_every = 1, tensorboard = false }}
""")
        for ranks in map(int, options.ranks.split(",")):
            planned = subprocess.run([str(program), "plan", str(run), "--ranks", str(ranks), "--json"],
                                     capture_output=True, text=True)
            if planned.returncode != 0:
                sys.exit(f"temper plan: {planned.stderr}")
            phase = json.loads(planned.stdout.splitlines()[-1])["phases"][0]
            memory = phase["memory_bytes"]
            planned_mib = {name: value >> 20 for name, value in memory.items()}
            print(f"{ranks} ranks, planned, MiB: {planned_mib}")
            output = options.folder / f"run-{ranks}"
            shutil.rmtree(output, ignore_errors=True)
            most, report = train(program, run, ranks, output)
            private = memory["process"] + memory["gradients"] + memory["moments"] + memory["activations"] + memory["copies"]
            # Several ranks have what is trained in a window that they share.
            private += 4 * phase["trainable"] if ranks == 1 else 0
            limit = (private >> 20) + BESIDE_MIB
            if len(most) != ranks:
                sys.exit(f"{ranks} ranks: the memory of {len(most)} was seen; is the program started by a wrapper?")
            for pid, of_rank in most.items():
                print(f"{ranks} ranks, process {pid}, MiB at most: {of_rank}, at most of its own by the plan: {limit}")
                if of_rank["RssAnon"] > limit or of_rank["VmSwap"] > 0:
                    sys.exit(f"{ranks} ranks: a rank holds {of_rank['RssAnon']} MiB of its own, expected {limit}")
            start = report["seconds_to_first_step"] - report["cache_seconds"]
            print(f"{ranks} ranks: start and first step {start:.1f} s, frozen layers {report['cache_seconds']:.1f} s")
            if options.lora:
                sizes = {file.name: file.stat().st_size for file in output.rglob("*") if file.suffix in (".h5", ".safetensors")}
                written = ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in sizes.items())
                print(f"{ranks} ranks: {report['tokens_per_second']:.2f} tokens/s, {report['seconds']:.0f} s in all; {written}")
    finally:
        if not options.keep:
            shutil.rmtree(options.folder, ignore_errors=True)


if __name__ == "__main__":
    main()

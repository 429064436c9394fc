"""Runs temper generate and transformers in turns on the same prompts, and prints tokens per second and bytes read.

Note: figures are of the tokens behind the second of each answer, so neither loading nor the pass over the prompts
counts.
"""

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import in_turns
from in_turns import OptionParser, Refusal, aligned, require, run, say, shared_folder, status_of

HERE = Path(__file__).resolve().parent
PROMPT_WORDS = 24


def parse_options():
    parser = OptionParser("bench/against_generate.sh", __doc__.splitlines()[0])
    parser.add_python("torch, transformers")
    parser.add_argument("--model", type=Path, required=True, metavar="FOLDER", help="a decoder in Hugging Face layout")
    parser.add("--text", shared_folder() / "data/wikitext2/validation.txt", "prompts are cut from it", type=Path, metavar="FILE")
    parser.add("--tokens", 130, "of each answer", type=int, metavar="N")
    parser.add("--precisions", ("f32", "bf16"), "of products and activations; bf16 where the processor multiplies it", nargs="+", choices=("f32", "bf16"))
    parser.add("--repeats", 3, "runs of each, in turns", type=int, metavar="N")
    return parser.parse_args()


def write_prompts(options, folder):
    """Beginnings of long lines, of unlike lengths."""
    lines = [line.split() for line in options.text.read_text(encoding="utf8").splitlines()]
    lines = [words for words in lines if len(words) > 2 * PROMPT_WORDS][:8]
    if len(lines) < 8:
        raise Refusal(f"{options.text}: found {len(lines)} lines of {2 * PROMPT_WORDS} words; expected at least 8")
    paths = {}
    for count in (1, 8):
        paths[count] = folder / f"prompts{count}.txt"
        prompts = [" ".join(words[: PROMPT_WORDS + 3 * i]) for i, words in enumerate(lines[:count])]
        paths[count].write_text("\n".join(prompts) + "\n", encoding="utf8")
    return paths


def bytes_read(folder, precision):
    """Bytes of all weights as a pass reads them: in bf16 where that is asked for or what the files have."""
    read = 0
    for path in folder.glob("*.safetensors"):
        with open(path, "rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        tensors = [tensor for name, tensor in header.items() if name != "__metadata__"]
        read += sum(
            math.prod(tensor["shape"]) * (2 if precision == "bf16" or tensor["dtype"] == "BF16" else 4)
            for tensor in tensors
        )
    return read


def temper_rate(options, prompts, count, threads, precision, folder):
    def seconds(tokens):
        command = [options.temper, "generate", options.model, "--input", prompts, "--max-new-tokens", tokens]
        command += ["--ignore-stop-tokens", "--threads", threads, "--precision", precision, "--batch-size", count]
        command += ["--device", "cpu", "-o", folder / "answers.jsonl"]
        (folder / "answers.jsonl").unlink(missing_ok=True)
        start = time.perf_counter()
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"temper generate ended with status {done.returncode}: {done.stderr.strip()}")
        return time.perf_counter() - start

    few = seconds(2)
    return count * (options.tokens - 2) / (seconds(options.tokens) - few)


def peer_rate(options, python, prompts, count, threads, precision):
    words = [python, HERE / "generate_peer.py", options.model, prompts, count, options.tokens, threads]
    said, _ = run("the peer", [*words, {"f32": "float32", "bf16": "bfloat16"}[precision]], dict(os.environ))
    return said["tokens_per_second"]


def compare(options):
    in_turns.require_temper(options)
    require(options.model / "config.json", "name a decoder in Hugging Face layout by --model")
    python = in_turns.peer_python(options)
    rows = [("answers", "threads", "precision", "Temper, tokens/s", "transformers", "Temper / transformers", "weights read, GB/s")]
    with tempfile.TemporaryDirectory(prefix="temper-bench-") as name:
        folder = Path(name)
        prompts = write_prompts(options, folder)
        for count in (1, 8):
            for threads in (1, 2):
                for precision in options.precisions:
                    ours, theirs = [], []
                    for _ in range(options.repeats):
                        ours.append(temper_rate(options, prompts[count], count, threads, precision, folder))
                        theirs.append(peer_rate(options, python, prompts[count], count, threads, precision))
                    mine, other = statistics.median(ours), statistics.median(theirs)
                    # Each pass reads all weights once, whatever the number of answers.
                    read = mine / count * bytes_read(options.model, precision) / 1e9
                    say(f"{count} answers, {threads} threads, {precision}: {mine:.1f} against {other:.1f} tokens/s")
                    rows.append((str(count), str(threads), precision, f"{mine:.1f}", f"{other:.1f}", f"{mine / other:.2f}", f"{read:.1f}"))
    print("\n".join(aligned(rows)), flush=True)


def main():
    options = parse_options()
    return status_of("against_generate.sh", lambda: compare(options))


if __name__ == "__main__":
    sys.exit(main())

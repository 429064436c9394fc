"""How fast transformers goes on with texts, greedily, all of them in one batch.

    python generate_peer.py FOLDER PROMPTS COUNT TOKENS THREADS float32|bfloat16     # needs torch and transformers

Prints one JSON line: tokens per second of the tokens behind the second, so without the pass over the prompts.
"""

import json
import sys
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main():
    folder, prompts, count, tokens, threads, dtype = sys.argv[1:7]
    count, tokens = int(count), int(tokens)
    torch.set_num_threads(int(threads))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.padding_side = "left"
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
    with open(prompts, encoding="utf8") as file:
        texts = [line.strip() for line in file][:count]
    batch = tokenizer(texts, return_tensors="pt", padding=True)

    def seconds(new):
        start = time.perf_counter()
        with torch.no_grad():
            model.generate(**batch, max_new_tokens=new, min_new_tokens=new, do_sample=False)
        return time.perf_counter() - start

    seconds(2)
    few = seconds(2)
    print(json.dumps({"tokens_per_second": count * (tokens - 2) / (seconds(tokens) - few)}))


if __name__ == "__main__":
    main()

"""How fast the Hugging Face library tokenizes a text file line by line on one core.

    python tokenizer_peer.py TEXT TOKENIZER.json      # needs tokenizers
"""

import os
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import Tokenizer  # noqa: E402: it reads the variable when it is loaded


def main():
    with open(sys.argv[1], encoding="utf8", newline="") as file:
        text = file.read()
    lines = text.splitlines(keepends=True)
    tokenizer = Tokenizer.from_file(sys.argv[2])
    tokenizer.no_truncation()
    tokenizer.no_padding()
    start = time.perf_counter()
    tokens = sum(len(tokenizer.encode(line, add_special_tokens=False).ids) for line in lines)
    seconds = time.perf_counter() - start
    print(f"{sys.argv[2]}\t{tokens} tokens\t{len(text.encode()) / 1e6 / seconds:.2f} MB/s")


if __name__ == "__main__":
    main()

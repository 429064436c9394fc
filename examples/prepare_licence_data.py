#!/usr/bin/env python3
"""Makes train.csv, validation.csv and test.csv (columns text, label) from the licence texts in a scancode-toolkit-mini
wheel: each file below licensedcode/data/licenses/ has a YAML head with a category, and the text behind it.

Usage: prepare_licence_data.py WHEEL OUTPUT_DIR

The texts and categories are ScanCode's licence data (CC BY 4.0). A text that occurs more than once, but for capitals,
is kept once, or not at all where its categories differ: so no part repeats what another one holds. Which part a text
belongs to is decided by a digest of its file name, so the split is the same every time.
"""
import csv
import hashlib
import pathlib
import re
import sys
import zipfile
from collections import Counter

LONGEST = 4000  # characters kept of a text
FEWEST = 60  # texts a category needs


def read_texts(wheel):
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            if not (name.startswith("licensedcode/data/licenses/") and name.endswith(".LICENSE")):
                continue
            head, _, body = archive.read(name).decode("utf8").removeprefix("---\n").partition("\n---\n")
            category = re.search(r"^category: (.+)$", head, re.MULTILINE)
            text = " ".join(body.split())[:LONGEST]
            if category and text:
                yield name.rsplit("/", 1)[-1], text, category.group(1).strip()


def without_repetitions(texts):
    categories = {}
    for _, text, category in texts:
        categories.setdefault(text.casefold(), set()).add(category)
    seen = set()
    for name, text, category in texts:
        key = text.casefold()
        if key not in seen and len(categories[key]) == 1:
            yield name, text, category
        seen.add(key)


def part_of(name):
    slot = hashlib.sha256(name.encode()).digest()[0] / 256
    return "test" if slot < 0.1 else "validation" if slot < 0.2 else "train"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    target = pathlib.Path(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    texts = list(without_repetitions(list(read_texts(sys.argv[1]))))
    frequency = Counter(category for _, _, category in texts)
    parts = {"train": [], "validation": [], "test": []}
    for name, text, category in texts:
        if frequency[category] >= FEWEST:
            parts[part_of(name)].append((text, category))
    for part, rows in parts.items():
        with open(target / f"{part}.csv", "w", encoding="utf8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("text", "label"))
            writer.writerows(rows)
        print(f"{part}: {len(rows)} texts in {len({label for _, label in rows})} categories")


if __name__ == "__main__":
    main()

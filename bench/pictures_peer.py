"""How fast torchvision makes pixels of picture files on one core: opened with Pillow, resized, normalised.

    python pictures_peer.py SIDE PICTURE...      # needs torch, torchvision and Pillow, or Pillow-SIMD in its place

The first line resizes pictures of Pillow, the second tensors, as the processors of transformers with torchvision do; the
third crops and flips as pictures_bench does.
"""

import statistics
import sys
import time

import torch
from PIL import Image
from torchvision.transforms import v2

PASSES = 7


def measure(what, files, transform):
    seconds = []
    for _ in range(PASSES):
        start = time.perf_counter()
        for file in files:
            with Image.open(file) as picture:
                transform(picture.convert("RGB"))
        seconds.append(time.perf_counter() - start)
    print(f"{what}\t{len(files)} pictures\t{len(files) / statistics.median(seconds):.1f} pictures/s")


def main():
    torch.set_num_threads(1)
    side, files = int(sys.argv[1]), sys.argv[2:]
    pixels = [v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.5] * 3)]
    resize = v2.Resize((side, side), antialias=True)
    crop = v2.RandomResizedCrop(side, scale=(0.7, 1.0), antialias=True)
    measure("resized by Pillow", files, v2.Compose([resize, v2.ToImage(), *pixels]))
    measure("resized by torchvision", files, v2.Compose([v2.ToImage(), resize, *pixels]))
    measure("cropped and flipped", files, v2.Compose([crop, v2.RandomHorizontalFlip(), v2.ToImage(), *pixels]))


if __name__ == "__main__":
    main()

"""The list that make_picture_cases.py writes, and pictures that it draws on."""
import base64, io, warnings
import numpy as np
from PIL import Image, ImageOps

warnings.simplefilter("ignore")
CASES, REFUSED = [], []


def numbers():
    return np.random.default_rng(len(CASES) + 1000 * len(REFUSED))


def case(name, content, samples, black=0, white=None, options=None, **facts):
    """samples [height, width] or [height, width, 3] as they must be read; facts that must be told."""
    samples = np.asarray(samples)
    white = {"uint8": 255, "uint16": 65535}.get(samples.dtype.name) if white is None else white
    if samples.dtype not in (np.uint8, np.uint16, np.float32):
        raise TypeError(f"{name}: {samples.dtype}")
    CASES.append(dict(name=name, file=base64.b64encode(content).decode(), options=options or {},
                      type=samples.dtype.name, shape=list(samples.shape), black=float(np.float32(black)),
                      white=float(np.float32(white)), facts=facts,
                      samples=base64.b64encode(samples.astype(samples.dtype.newbyteorder("<")).tobytes()).decode()))


def refused(name, content, *says, options=None):
    REFUSED.append(dict(name=name, file=base64.b64encode(content).decode(), options=options or {}, says=says))


def smooth(height, width, channels=1):
    y, x = np.mgrid[0:height, 0:width]
    planes = [(y * 13 + x * 7 * (i + 1) + 20 * np.sin(x / 3 + i)) % 256 for i in range(channels)]
    return np.stack(planes, -1).astype(np.uint8) if channels > 1 else planes[0].astype(np.uint8)


def saved(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def pillow(content, mode="RGB", turned=False):
    image = Image.open(io.BytesIO(content))
    return np.asarray((ImageOps.exif_transpose(image) if turned else image).convert(mode))


GREY, COLOUR, FOUR = smooth(7, 9), smooth(7, 9, 3), smooth(7, 9, 4)
GREY16 = GREY.astype(np.uint16) * 257 - np.arange(9, dtype=np.uint16)
LARGE = smooth(21, 27, 3)

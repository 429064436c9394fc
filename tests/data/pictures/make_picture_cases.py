"""Writes picture_cases.json: small picture files of each kind, and what Pillow, pydicom and nibabel read in them; and
files that must be refused. Append only: a case draws its numbers from its own place in the list.
Usage: make_picture_cases.py picture_cases.json      needs Pillow (13.0 made the file), pydicom 3.0, nibabel 5.4, and
dcmcjpeg of DCMTK 3.6.7, which writes lossless JPEG"""
import gzip, io, json, struct, subprocess, sys, tempfile, zlib
import nibabel, numpy as np, pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian,
                         ImplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit, RLELossless,
                         SecondaryCaptureImageStorage)

from picture_case_list import (CASES, COLOUR, FOUR, GREY, GREY16, LARGE, REFUSED, case, numbers, pillow, refused,
                               saved, smooth)


def orientation(value):
    exif = Image.Exif()
    exif[0x112] = value
    return exif


# PNG -----------------------------------------------------------------------------------------------------------------


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, rows, before=b"", after=b"", interlaced=0):
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before + chunk(b"IDAT", zlib.compress(rows)) + after +
            chunk(b"IEND", b""))


def rows(samples, type=np.uint8):
    return b"".join(b"\0" + row.astype(type).tobytes() for row in samples)


def packed_rows(samples, bits):
    text = ["".join(format(int(v), f"0{bits}b") for v in row) for row in samples]
    return b"".join(b"\0" + int(t.ljust(-(-len(t) // 8) * 8, "0"), 2).to_bytes(-(-len(t) // 8), "big") for t in text)


def interlaced(samples):
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    return b"".join(rows(samples[y::dy, x::dx]) for y, x, dy, dx in passes if samples[y::dy, x::dx].size)


def png_cases():
    palette = Image.fromarray(COLOUR).quantize(20)
    grey_alpha = Image.fromarray(np.stack([GREY, 255 - GREY], -1))
    case("grey.png", saved(Image.fromarray(GREY), "PNG"), GREY, bits=8, channels=1)
    case("colour.png", saved(Image.fromarray(COLOUR), "PNG"), COLOUR, channels=3)
    case("alpha.png", saved(Image.fromarray(FOUR), "PNG"), FOUR[..., :3], channels=4)
    case("grey-alpha.png", saved(grey_alpha, "PNG"), GREY, channels=2)
    case("palette.png", saved(palette, "PNG"), np.asarray(palette.convert("RGB")), channels=1, bits=8)
    content = saved(palette, "PNG", transparency=3)
    case("palette-transparent.png", content, pillow(content))
    content = png(9, 7, 8, 0, rows(GREY), before=chunk(b"tRNS", b"\0\x05"))
    case("grey-transparent.png", content, pillow(content, "L"))
    for bits in (1, 2, 4):
        content = png(9, 7, bits, 0, packed_rows(GREY >> (8 - bits), bits))
        case(f"grey{bits}.png", content, pillow(content, "L"), bits=bits)
    case("grey16.png", saved(Image.fromarray(GREY16), "PNG"), GREY16, bits=16)
    colour16 = COLOUR.astype(np.uint16) * 257 - 3
    case("colour16.png", png(9, 7, 16, 2, rows(colour16, ">u2")), colour16, bits=16, channels=3)
    case("grey-alpha16.png", png(9, 7, 16, 4, rows(np.stack([GREY16, GREY16], -1), ">u2")), GREY16, channels=2)
    content = png(9, 7, 8, 2, interlaced(COLOUR), interlaced=1)
    case("interlaced.png", content, pillow(content))
    case("damaged-profile.png", png(9, 7, 8, 0, rows(GREY), before=chunk(b"iCCP", b"x\0\0garbage")), GREY)
    content = saved(Image.fromarray(COLOUR), "PNG", exif=orientation(6))
    case("turned.png", content, pillow(content, turned=True), orientation=6)
    exif = orientation(8).tobytes().removeprefix(b"Exif\0\0")
    case("turned-after.png", png(9, 7, 8, 0, rows(GREY), after=chunk(b"eXIf", exif)), np.rot90(GREY), orientation=8)
    refused("size.png", png(60000, 60000, 8, 2, b""), "60000 x 60000 pixels", "limit of 256 megapixels")
    refused("wide.png", png(2**31 - 1, 2**31 - 1, 16, 6, b""), "2147483647 x 2147483647", "limit")
    refused("no-pixels.png", png(9, 0, 8, 0, b""), "the PNG file cannot be decoded at byte", "IHDR")
    refused("implausible.png", png(9000, 9000, 8, 0, b""), "is cut short", "9000 x 9000")
    content = bytearray(png(9, 7, 8, 0, rows(GREY)))
    content[45] ^= 8
    refused("checksum.png", bytes(content), "the PNG file cannot be decoded at byte")


# JPEG ----------------------------------------------------------------------------------------------------------------


def jpeg_cases():
    colour = Image.fromarray(LARGE)
    for quality, sampling in ((75, 0), (75, 1), (75, 2), (30, 2), (95, 0)):
        content = saved(colour, "JPEG", quality=quality, subsampling=sampling)
        case(f"quality{quality}-{sampling}.jpg", content, pillow(content), channels=3, bits=8)
    content = saved(colour, "JPEG", quality=80, progressive=True)
    case("progressive.jpg", content, pillow(content))
    content = saved(colour, "JPEG", quality=80, restart_marker_rows=1)
    case("restarts.jpeg", content, pillow(content))
    content = saved(Image.fromarray(LARGE[..., 0]), "JPEG", quality=80)
    case("grey.jpg", content, pillow(content, "L"), channels=1)
    content = saved(colour, "JPEG", quality=80, keep_rgb=True)
    case("rgb.jpg", content, pillow(content), channels=3)
    inks = saved(Image.fromarray(smooth(21, 27, 4), "CMYK"), "JPEG", quality=85)
    case("inks.jpg", inks, pillow(inks), channels=4)
    adobe = inks.find(b"\xff\xee")
    length = 2 + struct.unpack(">H", inks[adobe + 2:adobe + 4])[0]
    content = inks[:adobe] + inks[adobe + length:]
    case("inks-without-adobe.jpg", content, pillow(content), channels=4)
    content = inks[:adobe + length - 1] + b"\2" + inks[adobe + length:]
    case("ycck.jpg", content, pillow(content), channels=4)
    for value in range(1, 9):
        content = saved(Image.fromarray(LARGE[:7, :9]), "JPEG", quality=90, exif=orientation(value))
        case(f"turned{value}.jpg", content, pillow(content, turned=True), orientation=value)
    content = saved(colour, "JPEG", quality=90, icc_profile=b"garbage" * 9)
    case("damaged-profile.jpg", content, pillow(content))
    content = saved(colour, "JPEG", quality=90, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    case("damaged-exif.jpg", content, pillow(content), orientation=1)
    grey = saved(Image.fromarray(LARGE[..., 0]), "JPEG", quality=80)
    frame = grey.find(b"\xff\xc0")
    large = bytearray(grey)
    large[frame + 5:frame + 9] = struct.pack(">HH", 60000, 60000)
    refused("size.jpg", bytes(large), "60000 x 60000 pixels", "limit")
    two = grey[:frame] + struct.pack(">HHBHHB6B", 0xFFC0, 14, 8, 21, 27, 2, 1, 17, 0, 2, 17, 0) + grey[frame + 13:]
    two = two.replace(b"\xff\xda\x00\x08\x01\x01\x00", b"\xff\xda\x00\x0a\x02\x01\x00\x02\x00")
    refused("two-channels.jpg", two, "has 2 channels, expected 1 (grey), 3 (colour) or 4 (CMYK)")
    refused("no-end.jpg", grey[:-2], "is cut short after")
    scan = grey.find(b"\xff\xda")
    refused("damaged.jpg", grey[:scan + 30] + b"\xff\xd9" + grey[scan + 60:], "the JPEG file cannot be decoded at byte")


# TIFF ----------------------------------------------------------------------------------------------------------------


def tiff(samples, photometric, order="<", planes=False, tile=None, format=1, bits=None, more=()):
    samples = samples if samples.ndim == 3 else samples[..., None]
    height, width, channels = samples.shape
    raw = lambda block: block.astype(block.dtype.newbyteorder(order)).tobytes()
    if tile:
        padded = np.pad(samples, ((0, -height % tile), (0, -width % tile), (0, 0)))
        blocks = [raw(padded[y:y + tile, x:x + tile]) for y in range(0, height, tile) for x in range(0, width, tile)]
    elif planes:
        blocks = [raw(samples[..., channel]) for channel in range(channels)]
    else:
        blocks = [raw(samples[y:y + 4]) for y in range(0, height, 4)]
    places = np.cumsum([8] + [len(block) for block in blocks]).tolist()
    content = b"".join(blocks)
    content += b"\0" * (len(content) % 2)
    tags = [(256, 3, [width]), (257, 3, [height]), (258, 3, [bits or samples.dtype.itemsize * 8] * channels),
            (259, 3, [1]), (262, 3, [photometric]), (277, 3, [channels]), (284, 3, [2 if planes else 1]),
            (339, 3, [format] * channels), (324 if tile else 273, 4, places[:-1]),
            (325 if tile else 279, 4, [len(block) for block in blocks])]
    tags += [(322, 3, [tile]), (323, 3, [tile])] if tile else [(278, 3, [height if planes else 4])]
    directory = 8 + len(content)
    entries, beyond = b"", b""
    for tag, type, values in sorted(tags + list(more)):
        data = struct.pack(order + str(len(values)) + {3: "H", 4: "I", 11: "f"}[type], *values)
        if len(data) > 4:
            place = directory + 2 + 12 * (len(tags) + len(more)) + 4 + len(beyond)
            beyond += data + b"\0" * (len(data) % 2)
            data = struct.pack(order + "I", place)
        entries += struct.pack(order + "HHI", tag, type, len(values)) + data.ljust(4, b"\0")
    start = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, directory)
    return start + content + struct.pack(order + "H", len(tags) + len(more)) + entries + b"\0" * 4 + beyond


def tiff_cases():
    colour, grey = Image.fromarray(COLOUR), Image.fromarray(GREY)
    for method in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        case(f"{method}.tif", saved(colour, "TIFF", compression=method), COLOUR, channels=3, bits=8)
    case("grey16.tiff", saved(Image.fromarray(GREY16), "TIFF", compression="tiff_lzw"), GREY16, bits=16)
    whole = GREY.astype(np.int32) * 70000 - 5000000
    case("signed32.tif", saved(Image.fromarray(whole), "TIFF"), whole.astype(np.float32), -2.0**31, 2.0**31,
         bits=32, is_signed=True)
    unit = (GREY / 255).astype(np.float32)
    case("unit-float.tif", saved(Image.fromarray(unit), "TIFF"), unit, 0, 1, bits=32, is_float=True)
    wide = (GREY * 3.5 - 40).astype(np.float32)
    case("wide-float.tif", saved(Image.fromarray(wide), "TIFF"), wide, wide.min(), wide.max())
    palette = colour.quantize(20)
    case("palette.tif", saved(palette, "TIFF"), np.asarray(palette.convert("RGB")), channels=1)
    case("alpha.tif", saved(Image.fromarray(FOUR), "TIFF"), COLOUR, channels=4)
    case("grey-alpha.tif", saved(Image.fromarray(np.stack([GREY, GREY], -1)), "TIFF"), GREY, channels=2)
    content = saved(Image.fromarray(FOUR, "CMYK"), "TIFF")
    case("inks.tif", content, pillow(content), channels=4)
    content = saved(grey.convert("1"), "TIFF", compression="group4")
    case("fax.tif", content, pillow(content, "L"), bits=1)
    content = saved(Image.fromarray(LARGE), "TIFF", compression="jpeg", quality=90)
    case("jpeg.tif", content, pillow(content))
    content = saved(colour, "TIFF", tiffinfo={274: 6})
    case("turned.tif", content, pillow(content), orientation=6)
    case("big-endian16.tif", tiff(GREY16, 1, ">"), GREY16)
    case("white-is-zero.tif", tiff(GREY, 0), 255 - GREY, inverted=True)
    case("white-is-zero16.tif", tiff(GREY16, 0, ">"), 65535 - GREY16, inverted=True)
    case("tiles.tif", tiff(COLOUR, 2, tile=16), COLOUR)
    case("planes.tif", tiff(COLOUR, 2, planes=True), COLOUR)
    unsigned = GREY.astype(np.uint32) * 10000000
    case("unsigned32.tif", tiff(unsigned, 1, ">"), unsigned.astype(np.float32), 0, 2.0**32, bits=32)
    short = GREY.astype(np.int16) * 100 - 9000
    case("signed16.tif", tiff(short, 1, format=2), short.astype(np.float32), -32768, 32767, is_signed=True)
    double = GREY.astype(np.float64) / 7
    case("double.tif", tiff(double, 1, ">", format=3), double.astype(np.float32), 0, np.float32(double.max()))
    stated = [(340, 11, [-1.0]), (341, 11, [3.0])]
    case("stated-range.tif", tiff(unit, 1, format=3, more=stated), unit, -1, 3)
    holes = unit.copy()
    holes[0, :3] = [np.nan, np.inf, -np.inf]
    filled = holes.copy()
    filled[0, :3] = [0, 1, 0]
    case("not-finite.tif", tiff(holes, 1, format=3), filled, 0, 1, not_finite=3)
    window = dict(window=[100, 50])
    case("window.tif", tiff(GREY, 1), GREY, 75, 125, window)
    case("window-white-is-zero.tif", tiff(GREY, 0), 255 - GREY, 130, 180, window, inverted=True)
    pages = saved(grey, "TIFF", save_all=True, append_images=[Image.fromarray(255 - GREY)])
    case("second-page.tif", pages, 255 - GREY, options=dict(frame=1), frames=2)
    refused("pages.tif", pages, "has 2 pages, expected one picture in a file", "frame, 0 to 1")
    refused("no-page.tif", pages, "has 2 pages, and frame 2 was asked for", options=dict(frame=2))
    refused("two-channels.tif", tiff(np.stack([GREY, GREY], -1), 1), "has 2 channels, expected 1")
    refused("five-channels.tif", tiff(np.concatenate([COLOUR, COLOUR[..., :2]], -1), 2), "has 5 channels, expected 3")
    huge = tiff(GREY, 1).replace(struct.pack("<HHIH", 256, 3, 1, 9), struct.pack("<HHIH", 256, 3, 1, 60000)).replace(
        struct.pack("<HHIH", 257, 3, 1, 7), struct.pack("<HHIH", 257, 3, 1, 60000))
    refused("size.tif", huge, "60000 x 60000 pixels", "limit")
    refused("lab.tif", tiff(COLOUR, 8), "has colours of kind 8", "expected grey, RGB, a palette or CMYK")
    refused("half.tif", tiff(GREY16, 1, format=3), "samples of 16 bits of kind 3")


# DICOM ---------------------------------------------------------------------------------------------------------------


def dicom(samples, syntax=ExplicitVRLittleEndian, colours="MONOCHROME2", stored=None, high=None, signed=0, frames=None,
          planes=0, pixels=None, **elements):
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = SecondaryCaptureImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = "1.2.3"
    shape = samples.shape[1:] if frames else samples.shape
    data.Rows, data.Columns, data.SamplesPerPixel = shape[0], shape[1], shape[2] if len(shape) > 2 else 1
    if len(shape) > 2:
        data.PlanarConfiguration = planes
    data.PhotometricInterpretation = colours
    data.BitsAllocated = samples.dtype.itemsize * 8
    data.BitsStored = stored or data.BitsAllocated
    data.HighBit = data.BitsStored - 1 if high is None else high
    data.PixelRepresentation = signed
    if frames:
        data.NumberOfFrames = frames
    for name, value in elements.items():
        setattr(data, name, value)
    ordered = np.moveaxis(samples, -1, 0) if planes else samples
    raw = ordered.astype(ordered.dtype.newbyteorder(">" if syntax == ExplicitVRBigEndian else "<")).tobytes()
    data.PixelData = pixels if pixels is not None else raw + b"\0" * (len(raw) % 2)
    data["PixelData"].VR = "OB" if pixels is not None or data.BitsAllocated == 8 else "OW"
    return data


def file_of(data):
    file = io.BytesIO()
    data.save_as(file, enforce_file_format=True)
    return file.getvalue()


def run_length(data):
    data.compress(RLELossless, generate_instance_uid=False)
    return file_of(data)


def lossless_jpeg(data, option):
    with tempfile.NamedTemporaryFile() as plain, tempfile.NamedTemporaryFile() as packed:
        plain.write(file_of(data))
        plain.flush()
        subprocess.run(["dcmcjpeg", option, "--uid-never", plain.name, packed.name], check=True)
        return packed.read()


def without_preamble(content):
    return content[144 + struct.unpack("<I", content[140:144])[0]:]


def single(value):
    return np.asarray(value).astype(np.float32)


def dicom_cases():
    random = numbers()
    byte = random.integers(0, 256, (5, 6), dtype=np.uint8)
    twelve = random.integers(0, 4096, (5, 6)).astype(np.uint16)
    units = random.integers(-1000, 3000, (5, 6)).astype(np.int16)
    colour = random.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    odd = random.integers(0, 256, (3, 5, 7), dtype=np.uint8)
    case("byte.dcm", file_of(dicom(byte)), byte, bits=8)
    case("implicit.dcm", file_of(dicom(byte, ImplicitVRLittleEndian)), byte)
    case("twelve.dcm", file_of(dicom(twelve, stored=12)), twelve, 0, 4095, bits=12)
    case("big-endian.dcm", file_of(dicom(twelve, ExplicitVRBigEndian, stored=12)), twelve, 0, 4095)
    case("big-endian-byte.dcm", file_of(dicom(byte, ExplicitVRBigEndian)), byte)
    case("monochrome1.dcm", file_of(dicom(twelve, stored=12, colours="MONOCHROME1")), 4095 - twelve, 0, 4095,
         inverted=True)
    overlay = (twelve | (random.integers(0, 4, (5, 6)).astype(np.uint16) << 14)).astype(np.uint16)
    case("overlay.dcm", file_of(dicom(overlay, stored=12)), twelve, 0, 4095)
    case("high-bit.dcm", file_of(dicom((twelve << 4).astype(np.uint16), stored=12, high=15)), twelve, 0, 4095)
    scaled = dict(signed=1, RescaleSlope="1.5", RescaleIntercept="-1024.25")
    case("slope.dcm", file_of(dicom(units, **scaled)), single(units * 1.5 - 1024.25), -32768 * 1.5 - 1024.25,
         32767 * 1.5 - 1024.25, bits=16, is_signed=True)
    hounsfield = dict(signed=1, RescaleSlope="1", RescaleIntercept="-1024")
    windows = dict(WindowCenter=["40", "80"], WindowWidth=["400", "10"])
    case("window.dcm", file_of(dicom(units, **hounsfield, **windows)), single(units * 1.0 - 1024), -160, 239)
    case("exact-window.dcm", file_of(dicom(units, **hounsfield, **windows, VOILUTFunction="LINEAR_EXACT")),
         single(units * 1.0 - 1024), -160, 240)
    case("other-window.dcm", file_of(dicom(units, **hounsfield, **windows)), single(units * 1.0 - 1024), -961, 38,
         dict(window=[-461, 1000]))
    # Black and white are where pydicom's apply_voi_lut begins and ends; the picture is then turned over between them.
    turned = dicom(twelve, stored=12, colours="MONOCHROME1", WindowCenter="1000", WindowWidth="501")
    shown = pydicom.pixels.apply_voi_lut(twelve, turned) / 4095
    case("window-monochrome1.dcm", file_of(turned), single(749.5 + 1249.5 - twelve), 749.5, 1249.5, inverted=True)
    assert np.allclose(np.clip((749.5 + 1249.5 - twelve - 749.5) / 500, 0, 1), 1 - shown)
    low = (units & 0xFFF).astype(np.uint16)
    case("signed12.dcm", file_of(dicom(low, stored=12, signed=1)),
         single(np.where(low >= 2048, low.astype(int) - 4096, low)), -2048, 2047)
    case("colour.dcm", file_of(dicom(colour, colours="RGB")), colour, channels=3)
    case("planes.dcm", file_of(dicom(colour, colours="RGB", planes=1)), colour)
    case("ybr.dcm", file_of(dicom(colour, colours="YBR_FULL")),
         pydicom.pixels.convert_color_space(colour, "YBR_FULL", "RGB"))
    case("odd-frames.dcm", file_of(dicom(odd, frames=3)), odd[2], options=dict(frame=2), frames=3)
    case("runs.dcm", run_length(dicom(byte)), byte)
    case("runs12.dcm", run_length(dicom(twelve, stored=12)), twelve, 0, 4095)
    case("runs-colour.dcm", run_length(dicom(colour, colours="RGB")), colour)
    case("runs-frames.dcm", run_length(dicom(odd, frames=3)), odd[1], options=dict(frame=1))
    case("runs-signed.dcm", run_length(dicom(units, signed=1)), single(units), -32768, 32767)
    case("lossless.dcm", lossless_jpeg(dicom(twelve, stored=12), "--encode-lossless-sv1"), twelve, 0, 4095)
    case("lossless14.dcm", lossless_jpeg(dicom(byte), "--encode-lossless"), byte)
    case("lossless-signed.dcm", lossless_jpeg(dicom(units, **scaled), "--encode-lossless-sv1"),
         single(units * 1.5 - 1024.25), -32768 * 1.5 - 1024.25, 32767 * 1.5 - 1024.25)
    case("lossless-colour.dcm", lossless_jpeg(dicom(colour, colours="RGB"), "--encode-lossless-sv1"), colour)
    grey = saved(Image.fromarray(LARGE[..., 0]), "JPEG", quality=90)
    large = dict(syntax=JPEGBaseline8Bit, pixels=encapsulate([grey]))
    case("baseline.dcm", file_of(dicom(LARGE[..., 0], **large)), pillow(grey, "L"))
    case("baseline-in-words.dcm", file_of(dicom(LARGE[..., 0].astype(np.uint16), stored=8, **large)),
         pillow(grey, "L"))
    for sampling, colours in ((0, "YBR_FULL"), (2, "YBR_FULL_422")):
        content = saved(Image.fromarray(LARGE), "JPEG", quality=90, subsampling=sampling)
        case(f"baseline-{colours.lower()}.dcm",
             file_of(dicom(LARGE, JPEGBaseline8Bit, colours, pixels=encapsulate([content]))), pillow(content))
    frames = [saved(Image.fromarray(picture), "JPEG", quality=95) for picture in (GREY, 255 - GREY)]
    case("baseline-frames.dcm", file_of(dicom(np.stack([GREY, GREY]), JPEGBaseline8Bit, frames=2,
                                              pixels=encapsulate(frames))), pillow(frames[1], "L"),
         options=dict(frame=1))
    case("bare.dcm", without_preamble(file_of(dicom(byte))), byte)
    case("bare-implicit.dcm", without_preamble(file_of(dicom(byte, ImplicitVRLittleEndian))), byte)
    enhanced, shared, scale = dicom(odd.astype(np.uint16), frames=3), Dataset(), Dataset()
    scale.RescaleSlope, scale.RescaleIntercept, scale.RescaleType = "2", "-3", "US"
    shared.PixelValueTransformationSequence = [scale]
    enhanced.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for index in range(3):
        group, window = Dataset(), Dataset()
        window.WindowCenter, window.WindowWidth = str(100 + index), "51"
        group.FrameVOILUTSequence = [window]
        groups.append(group)
    enhanced.PerFrameFunctionalGroupsSequence = groups
    case("enhanced.dcm", file_of(enhanced), single(odd[2] * 2.0 - 3), 76.5, 126.5, dict(frame=2))
    refused("frames.dcm", file_of(dicom(odd, frames=3)), "has 3 frames, expected one picture", "frame, 0 to 2")
    refused("no-frame.dcm", file_of(dicom(odd, frames=3)), "frame 3 was asked for", "name one of 0 to 2 by images.frame", options=dict(frame=3))
    small = dict(pixels=encapsulate([saved(Image.fromarray(GREY), "JPEG")]))
    refused("other-size.dcm", file_of(dicom(byte, JPEGBaseline8Bit, **small)), "says 6 x 5 pixels", "9 x 7")
    refused("jpeg2000.dcm", file_of(dicom(byte, JPEG2000Lossless, **small)), "JPEG 2000", "expected uncompressed")
    refused("deflated.dcm", file_of(dicom(byte, DeflatedExplicitVRLittleEndian)), "deflated")
    report = dicom(byte)
    del report.PixelData
    refused("no-pixels.dcm", file_of(report), "holds no pixels")
    report = dicom(byte)
    del report.Rows
    refused("no-rows.dcm", file_of(report), "has no Rows (0028,0010)")
    refused("short.dcm", file_of(dicom(byte, Rows=9)), "its pixels take 30 bytes, expected 1 frame of 54")
    refused("size.dcm", file_of(dicom(byte, Rows=60000, Columns=60000)), "60000 x 60000", "limit")
    refused("palette.dcm", file_of(dicom(byte, colours="PALETTE COLOR")), "has no whole RedPalette", "convert it")
    refused("two-channels.dcm", file_of(dicom(byte, SamplesPerPixel=2)), "has 2 channels of MONOCHROME2")
    nested = Dataset()
    for _ in range(80):
        outer = Dataset()
        outer.ReferencedSeriesSequence = [nested]
        nested = outer
    deep = dicom(byte)
    deep.ReferencedSeriesSequence = [nested]
    refused("nested.dcm", file_of(deep), "nests sequences deeper than 64")
    refused("slope.dcm", file_of(dicom(units, signed=1, RescaleSlope="0", RescaleIntercept="1")), "RescaleSlope of 0")


# NIfTI ---------------------------------------------------------------------------------------------------------------


def nifti(volume, image=nibabel.Nifti1Image, order="<", **fields):
    made = image(volume, np.eye(4), image.header_class(endianness=order), dtype=volume.dtype)
    made.set_data_dtype(volume.dtype)
    for name, value in fields.items():
        made.header[name] = value
    return made.to_bytes()


def sliced(content, axis, index, image=nibabel.Nifti1Image, volume=None):
    """The slice as nibabel reads it, and the ends of the volume."""
    data = image.from_bytes(content).get_fdata()
    data = data if volume is None else data[..., volume]
    return single(np.take(data, index, axis=axis).T), single(data.min()), single(data.max())


def with_slope(content, slope, intercept):
    return content[:112] + struct.pack("<ff", slope, intercept) + content[120:]


def nifti_cases():
    volume = numbers().integers(-500, 500, (3, 4, 5)).astype(np.int16)
    plain = nifti(volume)
    for axis in range(3):
        case(f"axis{axis}.nii", plain, *sliced(plain, axis, 2), dict(axis=axis, slice=2), frames=3 + axis,
             is_signed=True, bits=16)
    case("packed.nii.gz", gzip.compress(plain, mtime=0), *sliced(plain, 2, 4), dict(axis=2, slice=4))
    members = gzip.compress(plain[:200], mtime=0) + gzip.compress(plain[200:], mtime=0)
    case("members.nii.gz", members, *sliced(plain, 2, 0), dict(axis=2, slice=0))
    content = nifti(volume, cal_min=-100, cal_max=200)
    case("shown.nii", content, sliced(content, 1, 2)[0], -100, 200, dict(axis=1, slice=2))
    for type in ("u1", "i1", "u2", "i4", "u4", "f4", "f8", "i8", "u8"):
        for order, name in (("<", "little"), (">", "big")):
            content = nifti((volume % 100).astype(type), order=order)
            case(f"{type}-{name}.nii", content, *sliced(content, 2, 1), dict(axis=2, slice=1),
                 is_float=type[0] == "f", bits=8 * int(type[1]))
    content = nifti(volume, nibabel.Nifti2Image)
    case("second.nii", content, *sliced(content, 0, 1, nibabel.Nifti2Image), dict(axis=0, slice=1))
    content = nifti(volume, nibabel.Nifti2Image, ">")
    case("second-big.nii.gz", gzip.compress(content, mtime=0), *sliced(content, 0, 1, nibabel.Nifti2Image),
         dict(axis=0, slice=1))
    content = with_slope(plain, -0.5, 3.25)
    case("slope.nii", content, *sliced(content, 2, 3), dict(axis=2, slice=3))
    four = nifti(numbers().normal(size=(3, 4, 2, 2)).astype(np.float32))
    case("volumes.nii", four, *sliced(four, 1, 2, volume=1), dict(axis=1, slice=2, frame=1))
    colours = np.zeros((3, 4, 2), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    for channel in "RGB":
        colours[channel] = numbers().integers(0, 256, (3, 4, 2)) ^ ord(channel)
    for axis in (0, 2):
        cut = np.take(colours, 1, axis=axis).T
        case(f"colour{axis}.nii", nifti(colours), np.stack([cut[c] for c in "RGB"], -1), options=dict(axis=axis, slice=1),
             channels=3)
    holes = (volume * 1.0).astype(np.float32)
    holes[:2, 0, 0] = [np.nan, np.inf]
    filled = np.take(holes, 0, axis=2).T.copy()
    filled[0, :2] = [volume.min(), volume.max()]
    assert volume.min() == volume[np.isfinite(holes)].min() and volume.max() == volume[np.isfinite(holes)].max()
    case("not-finite.nii", nifti(holes), filled, volume.min(), volume.max(), dict(axis=2, slice=0), not_finite=2)
    flat = np.full((3, 4, 1), 7, np.int16)
    case("middle.nii", plain, *sliced(plain, 2, 2), frames=5)
    case("flat.nii", nifti(flat), single(flat[..., 0].T), 7, 8, frames=1)
    refused("no-volume.nii", four, "frame 2 was asked for", options=dict(frame=2))
    refused("no-slice.nii", plain, "slice 3 was asked for", options=dict(axis=0, slice=3))
    refused("volumes.nii", four, "has 2 volumes", options=dict(slice=1))
    refused("cut.nii.gz", gzip.compress(plain, mtime=0)[:-40], "is cut short after", options=dict(slice=4))
    refused("text.nii.gz", gzip.compress(b"no volume, but words" * 9, mtime=0), "what gzip has compressed")
    refused("pair.nii", plain[:344] + b"ni1\0" + plain[348:], "header of a pair")
    refused("analyze.nii", plain[:344] + b"\0\0\0\0" + plain[348:], "ANALYZE")
    refused("complex.nii", nifti(volume.astype(np.complex64)), "voxels of type 32")
    wide = nifti(volume, nibabel.Nifti2Image)
    wide = wide[:24] + struct.pack("<qqq", 60000, 60000, 1) + wide[48:]
    refused("size.nii", wide, "60000 x 60000", "limit")
    refused("short.nii", plain[:-1], "cannot hold 3 x 4 x 5 x 1 voxels of 2 bytes", options=dict(slice=0))


# Others --------------------------------------------------------------------------------------------------------------


def other_files():
    refused("empty.png", b"", "found nothing: it is empty; expected a PNG file, as its name says", "download it again")
    refused("zeros.jpg", b"\0" * 400, "400 bytes, all of them zero")
    refused("page.jpg", b"<!DOCTYPE html><html>", "an HTML or XML document")
    refused("moving.gif", saved(Image.fromarray(GREY), "GIF"), "a GIF picture", "PNG, JPEG, TIFF, DICOM or NIfTI")
    refused("pointer.png", b"version https://git-lfs.github.com/spec/v1\noid", "git-lfs")
    refused("noise.tif", bytes(range(7, 90)), "83 bytes that begin with 07 08 09")


def before_pixels(content, element):
    at = content.rfind(b"\xe0\x7f\x10\x00")
    return content[:at] + element + content[at:]


def later_cases():
    stated = [(340, 11, [0.0]), (341, 11, [4095.0])]
    twelve = GREY16 >> 4
    case("stated-range16.tif", tiff(twelve, 1, more=stated), twelve, 0, 4095, bits=16)
    case("stated-range-white-is-zero16.tif", tiff(twelve, 0, more=stated), 65535 - twelve, 61440, 65535, inverted=True)
    runs = bytearray(run_length(dicom(GREY)))
    header = runs.rfind(b"\x01\0\0\0\x40\0\0\0")
    runs[header + 4:header + 8] = struct.pack("<I", 0x10000000)
    refused("runs.dcm", bytes(runs), "has a header of run lengths in frame 0 that leads out of the frame")
    # Heads that begin in what holds them and end behind it: of an item, of an element with a short and a long length.
    item, sequence, beyond = b"\xfe\xff\x00\xe0", b"\x08\x00\x40\x11SQ\0\0", "runs beyond the end"
    hidden = b"\x09\x00\x10\x00OB\0\0" + struct.pack("<I", 0x60000000)
    for name, inside in (("item", sequence + struct.pack("<I", 4) + item + struct.pack("<I", 0x70000000) + hidden),
                         ("element", sequence + struct.pack("<I", 12) + item + struct.pack("<I", 4) + hidden),
                         ("long-element", sequence + struct.pack("<I", 16) + item + struct.pack("<I", 8) + hidden),
                         ("open-sequence", sequence + b"\xff" * 4 + item + struct.pack("<I", 4) + hidden),
                         ("open-item", sequence + struct.pack("<I", 12) + item + b"\xff" * 4 + hidden)):
        refused(f"{name}-beyond.dcm", before_pixels(file_of(dicom(GREY)), inside), beyond)
    implicit = b"\x08\x00\x40\x11" + struct.pack("<I", 12) + item + struct.pack("<I", 0) + item + hidden[-4:]
    refused("implicit-beyond.dcm", before_pixels(file_of(dicom(GREY, ImplicitVRLittleEndian)), implicit), beyond)
    # An item that says it is longer than the sequence: its length is compared, as before.
    refused("item-too-long.dcm", before_pixels(file_of(dicom(GREY)), sequence + struct.pack("<I", 8) + item +
                                               struct.pack("<I", 0x70000000)), "takes 1879048192 bytes, 0 are left")
    line = nifti(np.zeros((3, 4, 5), np.uint8), nibabel.Nifti2Image)
    line = line[:24] + struct.pack("<qqq", 300000000, 4, 5) + line[48:]
    refused("long-line.nii", line, "has lines of 300000000 voxels along axis 0", "limit", options=dict(axis=0, slice=1))


def table(first, entries, bits=16, with_sign=False):
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if with_sign else "US", [len(entries), first, bits])
    item.add_new("LUTData", "OW", np.asarray(entries, "<u2").tobytes())
    return [item]


def grey_value_cases():
    """What is neither slope nor straight window: the function SIGMOID, and tables of values."""
    units = (GREY.astype(np.int16) - 90) * 9
    curve = dict(WindowCenter="40", WindowWidth="350", VOILUTFunction="SIGMOID")
    hounsfield = dict(signed=1, RescaleSlope="1", RescaleIntercept="-24")
    sigmoid = dicom(units, **hounsfield, **curve)
    values = 1 / (1 + np.exp(-4 * (units - 24.0 - 40) / 350))
    shown = pydicom.pixels.apply_windowing(pydicom.pixels.apply_modality_lut(units, sigmoid), sigmoid)
    np.testing.assert_allclose((shown + 32768 + 24) / 65535, values, atol=1e-12)
    case("sigmoid.dcm", file_of(sigmoid), single(values), 0, 1)
    turned = dicom(units, colours="MONOCHROME1", **hounsfield, **curve)
    case("sigmoid-monochrome1.dcm", file_of(turned), single(1 - values), 0, 1, inverted=True)
    bent = np.minimum(np.arange(300) ** 2 // 30, 4095)
    voi = dicom(units, **hounsfield, VOILUTSequence=table(-120, bent, 12, True))
    shown = pydicom.pixels.apply_voi(pydicom.pixels.apply_modality_lut(units, voi), voi)
    case("voi-table.dcm", file_of(voi), single(shown), 0, 4095)
    both = dicom(units, **hounsfield, VOILUTSequence=table(-120, bent, 12, True), WindowCenter="40", WindowWidth="400")
    case("voi-table-and-window.dcm", file_of(both), single(units - 24.0), -160, 239)
    modality = dicom(GREY.astype(np.uint16), stored=8, ModalityLUTSequence=table(10, 5 * np.arange(200) + 7))
    case("modality-table.dcm", file_of(modality), single(pydicom.pixels.apply_modality_lut(GREY, modality)), 0, 65535)
    case("modality-and-voi-table.dcm", file_of(dicom(GREY, ModalityLUTSequence=table(10, 5 * np.arange(200) + 7),
                                                     VOILUTSequence=table(0, 1023 - np.arange(1024), 10))),
         single(1023.0 - pydicom.pixels.apply_modality_lut(GREY, modality)), 0, 1023)
    refused("short-table.dcm", file_of(dicom(GREY, ModalityLUTSequence=[short_table()])), "has a table", "of 3 entries")
    refused("function.dcm", file_of(dicom(GREY, WindowCenter="9", WindowWidth="9", VOILUTFunction="CUBIC")), "CUBIC")


def short_table():
    item = table(0, [1, 2, 3])[0]
    item.LUTDescriptor = [9, 0, 16]
    return item


def palette(colours, first=0, bits=16, packed=False):
    """Of colours [n, 3]: one in a word, or two of 8 bits."""
    elements = {}
    for channel, name in enumerate(("Red", "Green", "Blue")):
        values = colours[:, channel].astype(np.uint8 if packed else "<u2").tobytes()
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [len(colours) % 65536, first, bits]
        elements[f"{name}PaletteColorLookupTableData"] = values + b"\0" * (len(values) % 2)
    return elements


def palette_cases():
    random = numbers()
    byte = random.integers(0, 256, (5, 6), dtype=np.uint8)
    twelve = random.integers(0, 4096, (5, 6)).astype(np.uint16)
    deep = random.integers(0, 65536, (300, 3))
    bytes_ = random.integers(0, 256, (254, 3))
    signed = random.integers(-200, 200, (5, 6)).astype(np.int16)
    for name, picture, more in (("palette.dcm", byte, palette(deep)),
                                ("palette-first.dcm", twelve, palette(deep, 1900) | dict(stored=12)),
                                ("palette-bytes.dcm", byte, palette(bytes_, bits=8, packed=True)),
                                ("palette-signed.dcm", signed, palette(deep, -150) | dict(signed=1))):
        data = dicom(picture, colours="PALETTE COLOR", **more)
        seen = pydicom.pixels.apply_color_lut(picture, data)
        depth = more["RedPaletteColorLookupTableDescriptor"][2]
        case(name, file_of(data), seen, 0, 2**depth - 1, bits=depth, channels=1)
    case("palette-words.dcm", file_of(dicom(byte, colours="PALETTE COLOR", **palette(bytes_, bits=8))),
         bytes_[np.minimum(byte, 253)].astype(np.uint8))
    case("palette-runs.dcm", run_length(dicom(byte, colours="PALETTE COLOR", **palette(deep))),
         deep[byte].astype(np.uint16), 0, 65535)
    cut = palette(deep)
    cut["GreenPaletteColorLookupTableData"] = cut["GreenPaletteColorLookupTableData"][:-2]
    refused("short-palette.dcm", file_of(dicom(byte, colours="PALETTE COLOR", **cut)), "299 words of GreenPalette")
    other = palette(deep)
    other["BluePaletteColorLookupTableDescriptor"] = [300, 1, 16]
    refused("two-palettes.dcm", file_of(dicom(byte, colours="PALETTE COLOR", **other)), "red and Blue that differ")
    segments = palette(deep)
    for name in ("Red", "Green", "Blue"):
        segments[f"Segmented{name}PaletteColorLookupTableData"] = segments.pop(f"{name}PaletteColorLookupTableData")
    refused("segments.dcm", file_of(dicom(byte, colours="PALETTE COLOR", **segments)), "in segments")
    refused("three-palettes.dcm", file_of(dicom(np.stack([byte] * 3, -1), colours="PALETTE COLOR", **palette(deep))),
            "3 channels of PALETTE COLOR")


png_cases(), jpeg_cases(), tiff_cases(), dicom_cases(), nifti_cases(), other_files(), later_cases()
palette_cases(), grey_value_cases()
with open(sys.argv[1], "w") as file:
    body = [json.dumps(one, separators=(",", ":")) for one in CASES], [json.dumps(one) for one in REFUSED]
    file.write('{"cases":[\n' + ",\n".join(body[0]) + '\n],\n"refused":[\n' + ",\n".join(body[1]) + "\n]}\n")
print(len(CASES), "cases,", len(REFUSED), "refused")

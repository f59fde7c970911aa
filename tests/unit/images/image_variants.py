"""Some 400 image files, each with one combination of tags, and what an independent reader makes of it.

The readers are tifffile, whose samples are put together by what the TIFF 6.0 specification says of its tags, and
Pillow; or, where neither reads a kind (packed 12 bit), the array that was written.
"""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

HEIGHT, WIDTH = 37, 53
_NOISE = np.random.default_rng(0).integers(0, 65536, (HEIGHT, WIDTH, 5), dtype=np.uint16)
_SMOOTH = cv2.resize(_NOISE[:6, :8, :4], (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)


@dataclass(frozen=True)
class Variant:
    """An image file.

    Args:
        name: what is special about it.
        suffix: of its name.
        data: its bytes.
        rgb: uint8 ``(H, W, 3)`` or, of more than 8 bit, uint16 in the range of its bits; None: nobody reads it.
        bits: of its channels.
        tolerance: of values from 0 to 255, where colours are converted by floating point.
    """

    name: str
    suffix: str
    data: bytes
    rgb: NDArray | None
    bits: int = 8
    tolerance: int = 0


def all_variants() -> list[Variant]:
    return [*_tiffs(), *_packed_tiffs(), *_pillow_tiffs(), *_odd_tiffs(), *_pngs(), *_jpegs(), *_bmps(), *_webps()]


def _pillow(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _pillow_rgb(data: bytes) -> NDArray[np.uint8]:
    image = Image.open(io.BytesIO(data))
    image.load()
    return np.asarray(image.convert("RGB"))


# TIFF

_KINDS: dict[str, tuple[int, dict[str, Any]]] = {
    "grey": (1, {"photometric": "minisblack"}),
    "white is zero": (1, {"photometric": "miniswhite"}),
    "rgb": (3, {"photometric": "rgb"}),
    "rgb planar": (3, {"photometric": "rgb", "planarconfig": "separate"}),
    "rgba": (4, {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
    "rgba premultiplied": (4, {"photometric": "rgb", "extrasamples": ["assocalpha"]}),
    "rgb and more": (4, {"photometric": "rgb", "extrasamples": ["unspecified"]}),
    "rgba planar": (4, {"photometric": "rgb", "planarconfig": "separate", "extrasamples": ["unassalpha"]}),
    "grey alpha": (2, {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["unassalpha"]}),
    "grey and more": (2, {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["unspecified"]}),
    "grey alpha planar": (2, {"photometric": "minisblack", "planarconfig": "separate", "extrasamples": ["unassalpha"]}),
    "cmyk": (4, {"photometric": "separated"}),
    "palette": (1, {"photometric": "palette"}),
    "five channels": (5, {"photometric": "minisblack", "planarconfig": "contig"}),
}
_STORAGES: dict[str, dict[str, Any]] = {
    "": {},
    "rows of 5": {"rowsperstrip": 5},
    "deflate": {"compression": "zlib"},
    "predictor": {"compression": "zlib", "predictor": True},
    "tiles": {"tile": (32, 48)},
    "small tiles": {"tile": (16, 16)},
    "deflate tiles": {"compression": "zlib", "tile": (16, 32)},
    "bigtiff": {"bigtiff": True},
}


def _samples(dtype: Any, num_samples: int) -> NDArray:
    values = _NOISE if dtype == np.uint16 else _NOISE >> 8
    return np.ascontiguousarray(values[..., :num_samples].astype(dtype))


def _tiffs() -> Iterator[Variant]:
    kinds = itertools.product((np.uint8, np.uint16), "<>", _KINDS.items(), _STORAGES.items())
    for dtype, order, (kind, (num_samples, options)), (storage, how) in kinds:
        bits = np.dtype(dtype).itemsize * 8
        array = _samples(dtype, num_samples)
        if num_samples == 1:
            array = array[..., 0]
        elif options.get("planarconfig") == "separate":
            array = np.moveaxis(array, 2, 0)
        more = {"colormap": _NOISE.reshape(-1)[: 3 << 8].reshape(3, 256)} if kind == "palette" and bits == 8 else {}
        if kind == "palette" and bits == 16:
            more = {"colormap": np.resize(_NOISE, (3, 1 << 16))}
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, array, metadata=None, software=False, byteorder=order, **options, **more, **how)
        name = f"tiff {bits} bit {kind}, {storage or 'plain'}, {order}"
        yield Variant(name, ".tif", buffer.getvalue(), _tifffile_rgb(buffer), bits, int(kind == "cmyk"))


def _tifffile_rgb(buffer: io.BytesIO) -> NDArray | None:
    """What the tags say of tifffile's samples; None for what is not to be read."""
    with tifffile.TiffFile(io.BytesIO(buffer.getvalue())) as file:
        page = file.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        samples, photometric = page.asarray(), page.photometric.name
        if page.samplesperpixel > 1 and page.planarconfig.name == "SEPARATE":
            samples = np.moveaxis(samples, 0, 2)
        premultiplied = 1 in page.extrasamples
        palette = page.colormap
    white = np.iinfo(samples.dtype).max
    if samples.shape[2:] == (5,) or (white > 255 and (premultiplied or photometric in ("SEPARATED", "PALETTE"))):
        return None
    if photometric == "PALETTE":
        assert palette is not None
        return np.moveaxis(palette[:, samples], 0, 2) >> 8
    if photometric == "SEPARATED":
        inks = 1 - samples / 255
        return np.round(inks[..., :3] * inks[..., 3:] * 255)
    if photometric == "MINISWHITE":
        samples = white - samples
    if samples.ndim == 2 or samples.shape[2] == 2:
        return np.repeat(samples.reshape(HEIGHT, WIDTH, -1)[..., :1], 3, axis=2)
    if premultiplied:
        samples = samples.astype(float)
        alpha = np.where(samples[..., 3:], samples[..., 3:], 255)
        return np.minimum(np.floor(samples[..., :3] * 255 / alpha + 0.5), 255)
    return samples[..., :3]


Tags = dict[int, tuple[int, list[int]]]


def tiff_of(entries: Tags, pixels: bytes, changes: Tags | None = None) -> bytes:
    """A little-endian TIFF of one strip; tag to its type (3: SHORT, 4: LONG) and values."""
    tags = {**entries, 273: (4, [8]), 279: (4, [len(pixels)]), **(changes or {})}
    at = 8 + len(pixels) + len(pixels) % 2
    values_at = at + 2 + 12 * len(tags) + 4
    text, behind = struct.pack("<H", len(tags)), b""
    for tag, (kind, values) in sorted(tags.items()):
        content = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(content) > 4:
            content, behind = struct.pack("<I", values_at + len(behind)), behind + content
        text += struct.pack("<HHI", tag, kind, len(values)) + content.ljust(4, b"\0")
    return b"II*\0" + struct.pack("<I", at) + pixels.ljust(at - 8, b"\0") + text + bytes(4) + behind


def base_tags(bits: int, num_samples: int, photometric: int) -> dict[int, tuple[int, list[int]]]:
    return {
        256: (4, [WIDTH]),
        257: (4, [HEIGHT]),
        258: (3, [bits] * num_samples),
        259: (3, [1]),
        262: (3, [photometric]),
        277: (3, [num_samples]),
        278: (4, [HEIGHT]),
    }


def _packed(values: NDArray, bits: int) -> bytes:
    """Each row bit by bit, the highest first, filled up to a whole byte."""
    ones = (values.reshape(HEIGHT, -1, 1) >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(ones.reshape(HEIGHT, -1).astype(np.uint8), axis=1).tobytes()


def _packed_tiffs() -> Iterator[Variant]:
    for bits, (name, num_samples, photometric) in itertools.product(
        (1, 2, 4, 6, 9, 10, 11, 12, 13, 14, 15, 24, 32),
        (("grey", 1, 1), ("white is zero", 1, 0), ("rgb", 3, 2), ("rgba", 4, 2), ("grey alpha", 2, 1)),
    ):
        values = _NOISE[..., :num_samples].astype(np.uint32) >> max(16 - bits, 0)
        white = (1 << bits) - 1
        colours = white - values if photometric == 0 else values
        rgb = np.broadcast_to(colours[..., : 3 if num_samples > 2 else 1], (HEIGHT, WIDTH, 3))
        if bits == 1:
            rgb = rgb * 255
        known = (bits in (10, 12, 14)) or (bits == 1 and num_samples == 1)
        data = tiff_of(base_tags(bits, num_samples, photometric), _packed(values, bits))
        expected = rgb.astype(np.uint16) if known else None
        yield Variant(f"tiff packed {bits} bit {name}", ".tif", data, expected, 8 if bits == 1 else bits)


def _pillow_tiffs() -> Iterator[Variant]:
    noise = np.ascontiguousarray((_NOISE >> 8).astype(np.uint8)[..., :4])
    compressions = ("group3", "group4", "tiff_lzw", "jpeg", "tiff_adobe_deflate", "packbits", "lzma", "zstd")
    for compression, mode in itertools.product(
        compressions, ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB")
    ):
        source = (
            noise[..., 0] if mode in ("1", "L", "P") else noise[..., : {"LA": 2, "RGBA": 4, "CMYK": 4}.get(mode, 3)]
        )
        plain = mode if mode not in ("1", "P") else "L"
        image = Image.fromarray(source, plain).convert(mode)
        try:
            data = _pillow(image, "TIFF", compression=compression)
        except (OSError, RuntimeError):  # no such combination
            continue
        tolerance = {"CMYK": 1, "YCbCr": 1}.get(mode, 0)
        rgb = _pillow_rgb(data)
        if mode == "RGBA":
            rgb = np.asarray(Image.open(io.BytesIO(data)))[..., :3]
        readable = mode != "LAB" and compression not in ("lzma", "zstd")
        yield Variant(f"tiff {compression} {mode}", ".tif", data, rgb if readable else None, tolerance=tolerance)


def _odd_tiffs() -> Iterator[Variant]:
    """None of these is to be read, or not by their first look."""
    grey = _samples(np.uint8, 1)[..., 0]

    def written(array: NDArray, **options: Any) -> bytes:
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, array, metadata=None, **options)
        return buffer.getvalue()

    for dtype in (np.int8, np.int16, np.int32, np.uint32, np.uint64, np.float16, np.float32, np.float64, np.complex64):
        array = grey.astype(dtype)
        yield Variant(f"tiff {np.dtype(dtype).name}", ".tif", written(array, photometric="minisblack"), None)
    yield Variant("tiff of two pages", ".tif", written(np.stack([grey, grey]), photometric="minisblack"), None)
    small, full = written(grey, photometric="minisblack", subfiletype=1), written(grey, photometric="minisblack")
    yield Variant("tiff whose first page is a thumbnail", ".tif", small, None)
    buffer = io.BytesIO(full)
    tifffile.imwrite(buffer, grey[::2, ::2], metadata=None, append=True, photometric="minisblack", subfiletype=1)
    yield Variant("tiff with a thumbnail behind it", ".tif", buffer.getvalue(), np.repeat(grey[..., None], 3, axis=2))
    rgb = _samples(np.uint8, 3)
    yield Variant("tiff lab", ".tif", written(rgb, photometric="cielab"), None)
    yield Variant("tiff camera", ".tif", written(grey, photometric="cfa"), None)
    mixed = {**base_tags(8, 3, 2), 258: (3, [8, 8, 16])}
    yield Variant("tiff of mixed bits", ".tif", tiff_of(mixed, rgb.tobytes() * 2), None)
    for scheme in (6, 34712, 34887, 50001, 12345):
        tags = {**base_tags(8, 3, 2), 259: (3, [scheme])}
        yield Variant(f"tiff of compression {scheme}", ".tif", tiff_of(tags, rgb.tobytes()), None)
    tags = base_tags(8, 1, 1)
    del tags[262]
    yield Variant("tiff without a meaning of its channels", ".tif", tiff_of(tags, grey.tobytes()), None)


# PNG


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _png(values: NDArray, bits: int, colour_type: int, *chunks: bytes) -> bytes:
    rows = _packed(values, bits)
    stride = len(rows) // HEIGHT
    lines = b"".join(b"\0" + rows[at : at + stride] for at in range(0, len(rows), stride))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, colour_type, 0, 0, 0)
    parts = [png_chunk(b"IHDR", header), *chunks, png_chunk(b"IDAT", zlib.compress(lines)), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _pngs() -> Iterator[Variant]:
    side_chunks = {
        "": b"",
        "gAMA": png_chunk(b"gAMA", struct.pack(">I", 100_000)),
        "sBIT": b"",
        "bKGD": b"",
        "tRNS": b"",
    }
    for bits, (name, colour_type, num_samples) in itertools.product(
        (1, 2, 4, 8, 16), (("grey", 0, 1), ("rgb", 2, 3), ("grey alpha", 4, 2), ("rgba", 6, 4))
    ):
        if bits < 8 and colour_type:
            continue
        values = _NOISE[..., :num_samples] >> (16 - bits)
        colours = values[..., : 3 if num_samples > 2 else 1].astype(np.uint32)
        rgb = np.broadcast_to(colours, (HEIGHT, WIDTH, 3))
        rgb = rgb * (255 // ((1 << bits) - 1)) if bits < 8 else rgb
        for chunk in side_chunks:
            body = side_chunks[chunk]
            if chunk == "sBIT":
                body = png_chunk(b"sBIT", bytes([max(bits - 3, 1)] * num_samples))
            elif chunk == "bKGD":
                body = png_chunk(b"bKGD", b"\0\1" * (3 if num_samples > 2 else 1))
            elif chunk == "tRNS":
                if num_samples in (2, 4):
                    continue
                body = png_chunk(b"tRNS", values[0, 0].astype(">u2").tobytes())
            data = _png(values, bits, colour_type, body)
            yield Variant(f"png {bits} bit {name} {chunk}", ".png", data, rgb.astype(np.uint16), max(bits, 8))
    image = Image.fromarray((_SMOOTH[..., :3] >> 8).astype(np.uint8))
    for colours_of in (2, 4, 16, 256):
        palette = image.quantize(colours_of)
        for transparency in (None, 1, bytes(range(colours_of))):
            options = {} if transparency is None else {"transparency": transparency}
            data = _pillow(palette, "PNG", **options)
            name = f"png palette of {colours_of}, transparency {type(transparency).__name__}"
            yield Variant(name, ".png", data, np.asarray(palette.convert("RGB")))
    animated = _pillow(image, "PNG", save_all=True, append_images=[image.rotate(180)])
    yield Variant("png animated", ".png", animated, None)
    still = _pillow(image, "PNG", save_all=True)
    yield Variant("png of one frame", ".png", still, np.asarray(image))


# The others


def _jpegs() -> Iterator[Variant]:
    noise, smooth = ((one >> 8).astype(np.uint8) for one in (_NOISE[..., :4], _SMOOTH))
    modes = {"L": noise[..., 0], "RGB": noise[..., :3], "CMYK": smooth}
    for mode, progressive, subsampling, restart in itertools.product(
        modes, (False, True), ("4:4:4", "4:2:2", "4:2:0", "4:1:1"), (0, 3)
    ):
        if mode != "RGB" and subsampling != "4:4:4":
            continue
        options = {"progressive": progressive, "subsampling": subsampling, "quality": 90}
        image = Image.fromarray(np.ascontiguousarray(modes[mode]), mode)
        data = _pillow(image, "JPEG", restart_marker_blocks=restart, **options)
        name = f"jpeg {mode} {subsampling} {'progressive' if progressive else 'baseline'} restart {restart}"
        yield Variant(name, ".jpg", data, _pillow_rgb(data), tolerance=2 if mode == "CMYK" else 0)
        if mode == "CMYK":
            at = data.index(b"\xff\xee")
            plain = data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") :]
            yield Variant(f"{name}, not by Adobe", ".jpg", plain, _pillow_rgb(plain), tolerance=2)
    image = Image.fromarray(np.ascontiguousarray(modes["RGB"]))
    data = _pillow(image, "JPEG", keep_rgb=True)
    yield Variant("jpeg of RGB", ".jpg", data, _pillow_rgb(data))
    data = _pillow(image, "JPEG")
    at = data.index(b"\xff\xc0")
    yield Variant("jpeg of 12 bit", ".jpg", data[: at + 4] + b"\x0c" + data[at + 5 :], None)
    for marker in (0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF):
        yield Variant(f"jpeg of kind {marker:X}", ".jpg", data[: at + 1] + bytes([marker]) + data[at + 2 :], None)


def _bmp(bits: int, compression: int, pixels: bytes, colours: bytes = b"", *, height: int = HEIGHT) -> bytes:
    start = 54 + len(colours)
    head = struct.pack("<IHHI", start + len(pixels), 0, 0, start)
    num = len(colours) // 4 if compression not in (3, 6) else 0
    info = struct.pack("<IiiHHIIiiII", 40, WIDTH, height, 1, bits, compression, len(pixels), 0, 0, num, 0)
    return b"BM" + head + info + colours + pixels


def _bmps() -> Iterator[Variant]:
    noise = np.ascontiguousarray((_NOISE >> 8).astype(np.uint8)[..., :4])

    def read_by_pillow(name: str, data: bytes) -> Variant:
        return Variant(f"bmp {name}", ".bmp", data, _pillow_rgb(data))

    for mode, source in (("L", noise[..., 0]), ("RGB", noise[..., :3]), ("RGBA", noise)):
        yield read_by_pillow(mode, _pillow(Image.fromarray(np.ascontiguousarray(source), mode), "BMP"))
    yield read_by_pillow("1", _pillow(Image.fromarray(noise[..., 0].copy()).convert("1"), "BMP"))
    palette = noise.reshape(-1, 4)[:16].copy()
    palette[:, 3] = 0
    row = np.pad(noise[..., :3].reshape(HEIGHT, -1), ((0, 0), (0, -3 * WIDTH % 4)))
    yield read_by_pillow("top down", _bmp(24, 0, row.tobytes(), height=-HEIGHT))
    yield read_by_pillow("32 bit", _bmp(32, 0, noise.tobytes()))
    masks = struct.pack("<III", 0xFF0000, 0xFF00, 0xFF)
    yield read_by_pillow("32 bit with masks", _bmp(32, 3, noise.tobytes(), masks))
    yield read_by_pillow("4 bit", _bmp(4, 0, noise.reshape(HEIGHT, -1)[:, :28].tobytes(), palette.tobytes()))
    values = noise[..., 0] & 15
    rle8 = b"".join(b"".join(bytes([1, value]) for value in row) + b"\0\0" for row in values.tolist()) + b"\0\1"
    yield read_by_pillow("run lengths of 8 bit", _bmp(8, 1, rle8, palette.tobytes()))
    rle4 = b"".join(b"".join(bytes([1, value << 4]) for value in row) + b"\0\0" for row in values.tolist()) + b"\0\1"
    yield read_by_pillow("run lengths of 4 bit", _bmp(4, 2, rle4, palette.tobytes()))
    words = np.pad(_NOISE[..., 0], ((0, 0), (0, WIDTH % 2))).tobytes()
    yield Variant("bmp 555", ".bmp", _bmp(16, 0, words), None)
    yield Variant("bmp 565", ".bmp", _bmp(16, 3, words, struct.pack("<III", 0xF800, 0x7E0, 0x1F)), None)
    odd = struct.pack("<III", 0xFF, 0xFF00, 0xFF0000)
    yield Variant("bmp 32 bit with odd masks", ".bmp", _bmp(32, 3, noise.tobytes(), odd), None)
    yield Variant("bmp of a jpeg", ".bmp", _bmp(24, 4, row.tobytes()), None)


def _webps() -> Iterator[Variant]:
    noise = (_NOISE >> 8).astype(np.uint8)
    for lossless, num_channels in itertools.product((False, True), (1, 3, 4)):
        image = Image.fromarray(np.ascontiguousarray(noise[..., :num_channels].squeeze()))
        data = _pillow(image, "WEBP", lossless=lossless, exact=True)
        yield Variant(f"webp {num_channels} lossless {lossless}", ".webp", data, _pillow_rgb(data))
    image = Image.fromarray(np.ascontiguousarray(noise[..., :3]))
    animated = _pillow(image, "WEBP", save_all=True, append_images=[image.rotate(180)])
    yield Variant("webp animated", ".webp", animated, None)

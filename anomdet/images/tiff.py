"""What a TIFF file's pixels mean (TIFF 6.0, BigTIFF): judged by all tags that change it, before a decoder sees it.

A decoder that does not know a tag mostly ignores it, and gives other pixels without a word. So a combination of tags
is refused, with the reason, unless its decoded pixels equal those of other readers (the tests hold the table).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from anomdet.images.header import MAX_PIECES, BadImageError, Header, Read
from anomdet.images.tiff_directory import Directory, orientation_of, read_directory

SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, ORIENTATION = 254, 256, 257, 258, 259, 262, 274
STRIPS, SAMPLES, STRIP_ROWS, STRIP_BYTES, PLANAR, PREDICTOR = 273, 277, 278, 279, 284, 317
TILE_WIDTH, TILE_HEIGHT, TILES, TILE_BYTES, EXTRA_SAMPLES, SAMPLE_FORMAT = 322, 323, 324, 325, 338, 339
FILL_ORDER, INK_SET, IMAGE_DEPTH = 266, 332, 32997
_TAGS = frozenset(
    {SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, ORIENTATION, STRIPS, SAMPLES, STRIP_ROWS, STRIP_BYTES}
    | {PLANAR, PREDICTOR, TILE_WIDTH, TILE_HEIGHT, TILES, TILE_BYTES, EXTRA_SAMPLES, SAMPLE_FORMAT}
    | {FILL_ORDER, INK_SET, IMAGE_DEPTH}
)

_SUPPORTED = "where 8 and 16 bit integers are supported"
_SAVE = "save it as plain grey or RGB"
_GREY, _RGB, _CMYK, YCBCR = (0, 1), 2, 5, 6
_COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3}
_PHOTOMETRIC_NAMES = {3: "palette", 5: "CMYK", 6: "YCbCr", 8: "CIELab", 9: "ICCLab", 10: "ITULab", 4: "mask"}
_PHOTOMETRIC_NAMES |= {32803: "raw camera", 34892: "raw camera", 32844: "LogL", 32845: "LogLuv"}
_FORMATS = {2: "int", 3: "float", 5: "complex int", 6: "complex float"}
_COMPRESSIONS = {1: "none", 2: "CCITT", 3: "CCITT", 4: "CCITT", 5: "LZW", 7: "JPEG", 8: "deflate", 32946: "deflate"}
_COMPRESSIONS |= {32773: "PackBits"}
_OTHER_COMPRESSIONS = {6: "old JPEG", 34925: "LZMA", 50000: "Zstandard", 50001: "WebP", 34712: "JPEG 2000"}
_OTHER_COMPRESSIONS |= {33003: "JPEG 2000", 33005: "JPEG 2000", 34887: "LERC", 50002: "JPEG XL", 52546: "JPEG XL"}
_RAW_TILE_BYTES = 1024


@dataclass(frozen=True)
class Layout:
    """A TIFF image that can be decoded right.

    Args:
        directory: its tags.
        height: as stored.
        width: as stored.
        bits: of a channel.
        num_samples: channels, with alpha.
        alpha: the channel behind the colours; ``premultiplied``: the colours are multiplied by it.
        is_planar: each channel is stored by itself.
        white_is_zero: and OpenCV leaves it so (of 8 bit it does not).
    """

    directory: Directory
    height: int
    width: int
    bits: int
    num_samples: int
    alpha: Literal["", "straight", "premultiplied"]
    is_planar: bool
    white_is_zero: bool
    is_cmyk: bool

    @property
    def is_tiled(self) -> bool:
        return TILES in self.directory.values

    @property
    def is_grey_alpha(self) -> bool:
        """Grey and alpha pixel by pixel, which OpenCV 4.12 reads right in strips of 8 bit alone."""
        return self.num_samples == 2 and not self.is_planar and (self.is_tiled or self.bits > 8)

    @property
    def has_odd_tiles(self) -> bool:
        """Tiles that OpenCV 4.12 fails for: 8 bit, not compressed, and not a multiple of 1,024 bytes."""
        if not self.is_tiled or self.bits != 8 or self.directory.first(COMPRESSION, 1) != 1:
            return False
        num_bytes = self.directory.first(TILE_WIDTH, 0) * self.directory.first(TILE_HEIGHT, 0)
        return num_bytes * (1 if self.is_planar else self.num_samples) % _RAW_TILE_BYTES != 0

    @property
    def num_colours(self) -> int:
        return self.num_samples - bool(self.alpha)


def tiff_header(read: Read, size: int) -> Header:
    layout = tiff_layout(read, size)
    orientation = orientation_of(layout.directory)
    size_and_bits = layout.height, layout.width, orientation, layout.bits
    return Header("tiff", *size_and_bits, layout.num_samples, is_cmyk=layout.is_cmyk)


def tiff_layout(read: Read, size: int) -> Layout:
    """What the tags say.

    Raises:
        BadImageError: a part of a file, or pixels that would be read wrong.
    """
    directory = read_directory(read, _TAGS, size)
    if not (directory.values.get(WIDTH) and directory.values.get(HEIGHT)):
        raise BadImageError("a TIFF without a size")
    bits, num_samples = _bits(directory), directory.first(SAMPLES, 1)
    photometric = _photometric(directory, bits, num_samples)
    alpha = _alpha(directory, bits, photometric, num_samples)
    is_planar = directory.first(PLANAR, 1) == 2 and num_samples > 1
    layout = Layout(
        directory,
        directory.first(HEIGHT, 0),
        directory.first(WIDTH, 0),
        bits,
        num_samples,
        alpha,
        is_planar,
        white_is_zero=photometric == 0 and bits > 8,
        is_cmyk=photometric == _CMYK,
    )
    if min(layout.height, layout.width) <= 0:
        raise BadImageError(f"a size of {layout.height} x {layout.width} pixels")
    _check_compression(layout)
    _check_pixels(layout, size, is_subsampled=photometric == YCBCR)
    _check_pages(read, size, directory)
    return layout


def _bits(directory: Directory) -> int:
    values = directory.values.get(BITS, (1,))
    formats = directory.values.get(SAMPLE_FORMAT, (1,))
    if not values or len(set(values)) > 1 or len(set(formats)) > 1:
        raise BadImageError(f"channels of different kinds ({', '.join(map(str, values[:4]))} bit); {_SAVE}")
    bits = values[0]
    if formats and formats[0] not in (1, 4):
        name = _FORMATS.get(formats[0], f"sample format {formats[0]}, ")
        raise BadImageError(f"{name}{bits} pixels, {_SUPPORTED}")
    if bits not in (1, 8, 10, 12, 14, 16):
        raise BadImageError(f"{bits} bit pixels, {_SUPPORTED}")
    return bits


def _photometric(directory: Directory, bits: int, num_samples: int) -> int:
    photometric = directory.first(PHOTOMETRIC, -1)
    name = _PHOTOMETRIC_NAMES.get(photometric, f"photometric interpretation {photometric}")
    if photometric == -1:
        raise BadImageError(f"a TIFF that does not say what its channels are; {_SAVE}")
    if photometric not in _COLOURS:
        raise BadImageError(f"{name} colours, where grey, RGB and palettes are supported; {_SAVE}")
    if num_samples < _COLOURS[photometric]:
        raise BadImageError(f"a damaged TIFF header ({num_samples} channels)")
    if num_samples - _COLOURS[photometric] > 1:
        expected = "where grey or colour with at most one channel more (alpha) is supported"
        raise BadImageError(f"{num_samples} channels, {expected}")
    if bits != 8 and photometric not in (*_GREY, _RGB):
        raise BadImageError(f"{bits} bit {name} colours, where 8 bit are supported; {_SAVE}")
    if photometric == _CMYK and directory.first(INK_SET, 1) != 1:
        raise BadImageError(f"inks that are not cyan, magenta, yellow and black; {_SAVE}")
    if directory.first(IMAGE_DEPTH, 1) != 1:
        raise BadImageError(f"a volume of {directory.first(IMAGE_DEPTH, 1)} layers, where one image is expected")
    if bits == 1 and num_samples > 1:
        raise BadImageError(f"{num_samples} channels of 1 bit, {_SUPPORTED}")
    return photometric


def _alpha(
    directory: Directory, bits: int, photometric: int, num_samples: int
) -> Literal["", "straight", "premultiplied"]:
    if num_samples == _COLOURS[photometric]:
        return ""
    if photometric not in (*_GREY, _RGB):
        raise BadImageError(f"{_PHOTOMETRIC_NAMES[photometric]} colours with a channel more; {_SAVE}")
    if directory.first(EXTRA_SAMPLES, 0) != 1:
        return "straight"
    if bits != 8 or photometric != _RGB:
        raise BadImageError(f"colours multiplied by alpha (associated alpha) of {bits} bit; save it without alpha")
    return "premultiplied"


def _check_compression(layout: Layout) -> None:
    directory, bits = layout.directory, layout.bits
    compression, predictor = directory.first(COMPRESSION, 1), directory.first(PREDICTOR, 1)
    name = _COMPRESSIONS.get(compression)
    if name is None:
        other = _OTHER_COMPRESSIONS.get(compression, f"scheme {compression}")
        known = ", ".join(dict.fromkeys(_COMPRESSIONS.values()))
        raise BadImageError(f"a TIFF compressed by {other}, where {known} are supported")
    if (name == "CCITT" and bits != 1) or (name == "JPEG" and bits != 8):
        raise BadImageError(f"{bits} bit pixels compressed by {name}, which cannot hold them")
    if name in ("LZW", "deflate"):
        if predictor not in (1, 2) or (predictor == 2 and bits not in (8, 16)):
            raise BadImageError(f"{bits} bit pixels with predictor {predictor}; save it without a predictor")
    else:
        predictor = 1
    if layout.is_grey_alpha and (predictor == 2 or name == "JPEG"):
        how = "JPEG in tiles" if name == "JPEG" else f"{name} with a predictor"
        raise BadImageError(f"grey with alpha, compressed by {how}; save it without alpha")


def _check_pixels(layout: Layout, size: int, *, is_subsampled: bool) -> None:
    """Whether all strips or tiles are there, and within the file."""
    directory = layout.directory
    across, down, num_expected, piece_bytes = pieces_of(layout)
    offsets = directory.values.get(TILES if layout.is_tiled else STRIPS, ())
    lengths = directory.values.get(TILE_BYTES if layout.is_tiled else STRIP_BYTES, ())
    if not offsets:
        raise BadImageError("a TIFF without pixels")
    if min(len(offsets), len(lengths)) < num_expected:
        raise BadImageError(f"a truncated TIFF ({min(len(offsets), len(lengths))} of {num_expected} strips or tiles)")
    offsets, lengths = offsets[:num_expected], lengths[:num_expected]
    if not all(offsets) or not all(lengths):
        raise BadImageError("a truncated TIFF (some of its strips or tiles are empty)")
    if max(map(sum, zip(offsets, lengths, strict=True))) > size:
        raise BadImageError("a truncated TIFF")
    if directory.first(COMPRESSION, 1) != 1 or is_subsampled:
        if is_subsampled and layout.has_odd_tiles:
            raise BadImageError("YCbCr colours in uncompressed tiles; save it in strips")
        return
    num_rows = down * num_expected if layout.is_tiled else layout.height * (num_expected // strips_of_plane(layout))
    if sum(lengths) < piece_bytes * num_rows:
        raise BadImageError(f"a truncated TIFF ({sum(lengths):,} bytes of pixels of {piece_bytes * num_rows:,})")
    if layout.has_odd_tiles and layout.is_planar:
        raise BadImageError(f"separate planes in uncompressed tiles of {across} x {down} pixels; save it in strips")


def pieces_of(layout: Layout) -> tuple[int, int, int, int]:
    """Of a strip or tile: width, height, how many there are of them, bytes of an uncompressed row."""
    directory = layout.directory
    if layout.is_tiled:
        across, down = directory.first(TILE_WIDTH, 0), directory.first(TILE_HEIGHT, 0)
    else:
        across, down = layout.width, min(directory.first(STRIP_ROWS, layout.height), layout.height)
    if min(across, down) <= 0:
        raise BadImageError("a TIFF with strips or tiles of no size")
    num_planes = layout.num_samples if layout.is_planar else 1
    num = -(-layout.width // across) * -(-layout.height // down) * num_planes
    return across, down, num, -(-across * layout.bits * (layout.num_samples // num_planes) // 8)


def strips_of_plane(layout: Layout) -> int:
    """How many strips a plane has, or an image whose channels lie together."""
    down = min(layout.directory.first(STRIP_ROWS, layout.height), layout.height)
    return -(-layout.height // down)


def _check_pages(read: Read, size: int, directory: Directory) -> None:
    """One image, and at most thumbnails of it: labels do not say which page they belong to."""
    if directory.first(SUBFILE, 0) & 1:
        raise BadImageError("a TIFF whose first image is a thumbnail; save the full image by itself")
    num_pages, at = 1, directory.next_at
    seen: set[int] = set()
    while at and at not in seen and len(seen) < MAX_PIECES:
        seen.add(at)
        page = read_directory(read, frozenset({SUBFILE}), size, at)
        num_pages += not page.first(SUBFILE, 0) & 5  # 1: at reduced size, 4: a mask of transparency
        at = page.next_at
    if num_pages > 1:
        raise BadImageError(f"a TIFF of {num_pages} pages, where one image is expected; save each page as a file")

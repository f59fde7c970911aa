"""Size, depth, orientation and completeness of an image file from a few hundred of its bytes; no pixel is decoded.

Every format that carries an orientation carries it as TIFF tag 0x0112 with the values 1 to 8.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from anomdet.images.header import BadImageError as BadImageError
from anomdet.images.header import Header as Header
from anomdet.images.header import Read
from anomdet.images.jpeg import jpeg_header
from anomdet.images.png import png_header
from anomdet.images.tiff import tiff_header
from anomdet.images.webp_bmp import bmp_header, webp_header


def read_header(read: Read, size: int) -> Header:
    """Header of a file of ``size`` bytes.

    Raises:
        BadImageError: not an image of a known format, truncated, or one whose pixels would be read wrong.
    """
    start = read(0, 16)
    if not start:
        raise BadImageError("an empty file")
    kind = _kind(start)
    try:
        header = _PARSERS[kind](read, size)
    except (struct.error, IndexError):
        raise BadImageError("a truncated header") from None
    except (ValueError, OverflowError) as error:  # e.g. an offset that no file can have
        if isinstance(error, BadImageError):
            raise
        raise BadImageError(f"a damaged {kind} header ({error})") from None
    if header.height <= 0 or header.width <= 0:
        raise BadImageError(f"a size of {header.height} x {header.width} pixels")
    return header


def _kind(start: bytes) -> str:
    for magic, kind in _MAGICS:
        if start.startswith(magic):
            if kind == "webp" and start[8:12] != b"WEBP":
                break
            return kind
    raise BadImageError(_foreign(start))


def _foreign(start: bytes) -> str:
    """What is no image that can be read, by what such files are taken for or come from."""
    for at, magic, kind in _FOREIGN:
        if start[at:].lower().startswith(magic):
            return kind
    if not start.strip(b"\0"):
        return "zero bytes in place of an image, as a crash or a cut copy leaves a file; copy it again"
    return f"a file that starts with {start[:8]!r}"


_VIDEO = "a video, whose frames anomdet predict judges"
_FOREIGN = (
    (0, b"gif8", "a GIF file; save it as PNG"),
    (4, b"ftypavi", "an AVIF file; save it as PNG or JPEG"),
    (4, b"ftyphei", "a HEIC file, as phones write them; save it as PNG or JPEG"),
    (4, b"ftyphev", "a HEIC file, as phones write them; save it as PNG or JPEG"),
    (4, b"ftypmif1", "a HEIC or AVIF file, as phones write them; save it as PNG or JPEG"),
    (4, b"jp  \r\n", "a JPEG 2000 file; save it as PNG"),
    (0, b"\xffo\xffq", "a JPEG 2000 file; save it as PNG"),
    (0, b"version https:/", "a pointer of Git LFS in place of the image; fetch the images with git lfs pull"),
    (0, b"<!doctype", "a page of HTML, which a server sent in place of the image; fetch it again"),
    (0, b"<html", "a page of HTML, which a server sent in place of the image; fetch it again"),
    (0, b"\0\x05\x16\x07", "a file of attributes that macOS leaves beside images; delete it"),
    (0, b"%pdf", "a PDF file; save its image as PNG"),
    (0, b"8bps", "a Photoshop file; save it as PNG"),
    (0, b"pk\x03\x04", "a zip archive; unpack it"),
    (0, b"\x89hdf", "an HDF5 file; save its image as PNG or TIFF"),
    (0, b"\x93numpy", "an array of NumPy; save it as PNG or TIFF"),
    (0, b"\x1f\x8b", "a gzip file; unpack it"),
    (0, b"/9j/", "an image in Base64; decode it"),
    (0, b"ivborw0k", "an image in Base64; decode it"),
    (0, b"data:image/", "an image in Base64; decode it"),
    (0, b"p5", "a PGM file; save it as PNG"),
    (0, b"p6", "a PPM file; save it as PNG"),
    (0, b"\xff\n", "a JPEG XL file; save it as PNG"),
    (4, b"jxl ", "a JPEG XL file; save it as PNG"),
    (0, b"<svg", "a drawing in SVG; save it as PNG"),
    (0, b"\x1ae\xdf\xa3", _VIDEO),
    (4, b"ftypqt", _VIDEO),
    (4, b"ftypisom", _VIDEO),
    (4, b"ftypmp4", _VIDEO),
    (4, b"ftypm4v", _VIDEO),
    (4, b"ftypavc1", _VIDEO),
    (8, b"avi ", _VIDEO),
)


_MAGICS = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"RIFF", "webp"),
    (b"BM", "bmp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
)
_PARSERS: dict[str, Callable[[Read, int], Header]] = {
    "jpeg": jpeg_header,
    "png": png_header,
    "webp": webp_header,
    "bmp": bmp_header,
    "tiff": tiff_header,
}

"""Bytes of a label file to text, whatever an editor made of them, and what is odd about the bytes."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from anomdet.data.labels import LINE

_UTF8_BOM = b"\xef\xbb\xbf"
# UTF-32's first: its mark for little endian begins with UTF-16's.
_BOMS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_SAVE = "save it as plain UTF-8 text"
_BINARY_SHARE = 0.3
_LOOKED_AT = 4096  # bytes


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something about a whole label file; the fields are those of a finding."""

    code: str
    line: int
    expected: str
    got: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class LabelText:
    """The text of a label file.

    Args:
        lines: without their line ends.
        oddities: what a look at the bytes shows.
        readable: False where the lines are guesswork and none should be judged.
    """

    lines: list[str]
    oddities: tuple[Oddity, ...] = ()
    readable: bool = True


def read_text(data: bytes) -> LabelText:
    """Lines of a label file in any common encoding."""
    if data.isascii() and b"\r" not in data and b"\0" not in data:
        return LabelText(data.decode("ascii").split("\n"))
    if not data.strip(b"\0"):
        zeros = Oddity("label-binary", 1, "text", "zero bytes alone, as a crash leaves a file", "write the labels anew")
        return LabelText([], (zeros,), readable=False)
    text, oddity = _decode(data)
    if text is None:
        assert oddity is not None
        return LabelText([], (oddity,), readable=False)
    oddities = [oddity] if oddity else []
    lines = text.split("\n")
    if "\r\n" in text:
        got = "CR LF, as Windows writes them"
        oddities.append(Oddity("label-crlf", 0, "line ends of a single LF", got, "harmless here"))
    elif len(lines) == 1 and "\r" in text.strip("\r") and not LINE.fullmatch(text):
        oddities.append(Oddity("label-line-ends", 1, "lines that end with LF", "CR, as old Macs wrote them", _SAVE))
        lines = text.split("\r")
    return LabelText(lines, tuple(oddities))


def _decode(data: bytes) -> tuple[str | None, Oddity | None]:
    """The text (None: it is none), and what is odd about its encoding."""
    if data.startswith(_UTF8_BOM):
        data = data[len(_UTF8_BOM) :]
        odd = Oddity("label-bom", 0, "text without a byte order mark", "one of UTF-8", "harmless here")
    else:
        odd = None
        wide = _decode_wide(data)
        if wide:
            return wide
    try:
        return data.decode("utf-8"), odd
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        got = f"byte 0x{data[error.start]:02x} at {error.start}"
    if _looks_binary(data):
        return None, Oddity("label-binary", line, "text", got, "write the labels anew")
    return data.decode("latin-1"), Oddity("label-encoding", line, "UTF-8 text", f"{got}, as in Latin-1", _SAVE)


def _decode_wide(data: bytes) -> tuple[str | None, Oddity] | None:
    """UTF-16 and UTF-32; None if it is neither."""
    name = next((name for bom, name in _BOMS if data.startswith(bom)), "")
    encoding = name
    if not name and b"\0" in data and len(data) % 2 == 0:
        for zeros, ending in ((data[1:_LOOKED_AT:2], "LE"), (data[0:_LOOKED_AT:2], "BE")):
            if zeros.count(0) > 0.9 * len(zeros):
                name, encoding = "UTF-16", f"UTF-16-{ending}"
    if not name:
        return None
    odd = Oddity("label-encoding", 1, "UTF-8 text", name, _SAVE)
    try:
        return data.decode(encoding), odd
    except UnicodeDecodeError as error:
        got = f"a damaged {name} (byte {error.start})"
        return None, Oddity("label-binary", 1, "text", got, "write the labels anew")


def _looks_binary(data: bytes) -> bool:
    """Many bytes that no label in any one-byte encoding holds; data is not UTF-8."""
    first = data[:_LOOKED_AT]
    plain = sum(32 <= byte < 127 or byte in b"\t\n\r\f\v" for byte in first)
    return plain < (1 - _BINARY_SHARE) * len(first)

"""The zip archive of a checkpoint, looked at before anything in it is used.

torch.load believes what the archive says: a record may be compressed (2.9 MB that become 3.3 GB), and no checksum is
looked at (a flipped bit changes a weight, and nobody knows).
"""

from __future__ import annotations

import io
import pickletools
import struct
import zipfile
import zlib

_LOCAL_HEADER = struct.Struct("<4s22xHH")
_LOCAL_MAGIC, _END_MAGIC = b"PK\x03\x04", b"PK\x05\x06"
_END_BYTES = 22
_MAX_NAME_BYTES, _MAX_PICKLE_BYTES = 2**15, 2**24
_MADE_BY_TORCH_SAVE = "write it again with torch.save, or fetch it again"


class BadArchiveError(Exception):
    """What is wrong with it, for a message: ``compressed records``."""

    def __init__(self, got: str, hint: str = "") -> None:
        super().__init__(got)
        self.got, self.hint = got, hint


def is_archive(data: bytes) -> bool:
    """Whether the bytes begin as a zip archive; torch wrote something else before version 1.6."""
    return data[:4] == _LOCAL_MAGIC


def check_archive(data: bytes) -> None:
    """Refuse an archive whose records are compressed, damaged, or not where and as large as it says.

    Raises:
        BadArchiveError: with the first thing that is wrong.
    """
    if data[-_END_BYTES:-18] != _END_MAGIC:  # torch's reader looks for it further in front: it could find another
        raise BadArchiveError("a file that was cut short, or has something behind its end")
    try:
        records = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OverflowError) as error:
        raise BadArchiveError(f"a damaged archive ({error})") from error
    if len({record.filename for record in records}) != len(records):
        raise BadArchiveError("an archive that has a record twice")
    if any(record.compress_type != zipfile.ZIP_STORED for record in records):
        raise BadArchiveError("compressed records", _MADE_BY_TORCH_SAVE)
    if sum(record.file_size for record in records) > len(data):
        raise BadArchiveError("records larger than the file", _MADE_BY_TORCH_SAVE)
    view = memoryview(data)
    for record in records:
        _check(record, view)


def _check(record: zipfile.ZipInfo, data: memoryview) -> None:
    at = record.header_offset
    if (
        record.compress_size != record.file_size
        or record.flag_bits & 1
        or not 0 <= at <= len(data) - _LOCAL_HEADER.size
    ):
        raise BadArchiveError(f"a damaged archive (record {record.filename!r})")
    magic, name_bytes, extra_bytes = _LOCAL_HEADER.unpack_from(data, at)
    begin = at + _LOCAL_HEADER.size + name_bytes + extra_bytes
    content = data[begin : begin + record.file_size]
    if magic != _LOCAL_MAGIC or len(content) != record.file_size:
        raise BadArchiveError(f"a damaged archive (record {record.filename!r})")
    if zlib.crc32(content) != record.CRC:
        raise BadArchiveError(f"a damaged file: the checksum of record {record.filename!r} is another")
    if record.filename.endswith("data.pkl"):
        check_pickle(bytes(content))


def check_pickle(data: bytes, count: int = 1) -> None:
    """Refuse what PyTorch's reader, which is written in Python, takes minutes for.

    Where it meets a name that it does not know, it searches its own message by patterns that take the square of the
    name's length.

    Args:
        data: begins with pickles.
        count: how many; torch wrote five one behind the other before version 1.6.

    Raises:
        BadArchiveError: too many bytes, such a name, or no pickle.
    """
    if count == 1 and len(data) > _MAX_PICKLE_BYTES:
        raise BadArchiveError(f"a record of {len(data) >> 20} MB beside the weights")
    if max(map(len, data.split(b"\n"))) <= _MAX_NAME_BYTES:
        return
    stream = io.BytesIO(data)
    try:
        for _ in range(count):
            for kind, argument, _ in pickletools.genops(stream):
                if kind.name in ("GLOBAL", "INST") and len(str(argument)) > _MAX_NAME_BYTES:
                    raise BadArchiveError(f"a Python object whose name has {len(str(argument))} characters")
    except (ValueError, LookupError, OverflowError) as error:
        raise BadArchiveError("a file of another kind or a damaged one") from error

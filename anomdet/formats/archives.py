"""A zip archive as a source: unpacked into a folder that goes away again, within limits."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from anomdet.errors import Problem, UserError
from anomdet.formats.dataset import Findings
from anomdet.words import counted

_MAX_FILES = 2_000_000
_MAX_RATIO = 100  # of all content to the archive; labels shrink to a tenth, images hardly
_FREE_BYTES = 1 << 30  # content up to this size is never called a bomb
_CHUNK = 1 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # a chunk of the others is unpacked at once: 2 kB to 2 GB
_OTHER_METHODS = {zipfile.ZIP_BZIP2: "bzip2", zipfile.ZIP_LZMA: "LZMA", 93: "Zstandard"}
_DAMAGED = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError)
_OTHERS = (".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz")


@contextmanager
def unpacked(source: Path, beside: Path, findings: Findings) -> Iterator[Path]:
    """The source itself, or the folder that a zip archive was unpacked into; that folder is removed at the end.

    Args:
        source: a file or a folder.
        beside: the folder of the output; the archive is unpacked on its disk, so that images can be linked.
        findings: takes names in an encoding that the archive does not name.

    Raises:
        UserError: the archive is damaged, encrypted, of another kind, or not safe to unpack.
    """
    if source.exists() and not (source.is_dir() or source.is_file()):
        got = f"{source.name}, which is not a regular file"
        raise UserError(Problem("SRC", "a folder, a file of labels or a zip archive", got))
    if source.is_dir() or not zipfile.is_zipfile(source):
        if source.suffix.lower() in (*_OTHERS, ".zip") and source.is_file():
            got = f"{source.name}, which is no zip archive that can be read"
            is_zip = source.suffix.lower() == ".zip"
            hint = "it may be cut off: export or copy it again" if is_zip else "unpack it first"
            raise UserError(Problem("SRC", "a folder, a file of labels or a zip archive", got, hint))
        yield source
        return
    parent = next(folder for folder in (beside, *beside.absolute().parents) if folder.is_dir())
    folder = parent / f".{source.stem}.{secrets.token_hex(4)}.unpacked"
    try:
        try:
            folder.mkdir()
            _unpack(source, folder, findings)
        except OSError as error:
            got = f"{parent} ({error.strerror or error})"
            raise UserError(Problem(str(source), "a folder with room to unpack it into", got)) from error
        yield _inner(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unpack(source: Path, folder: Path, findings: Findings) -> None:
    try:
        with zipfile.ZipFile(source) as archive:
            members = _members(archive, source, findings)
            _check_content(list(members), source)
            limit = max(_FREE_BYTES, _MAX_RATIO * source.stat().st_size)
            limit = min(limit, shutil.disk_usage(folder).free)
            for name, info in members.items():
                limit -= _copy(archive, info, folder / name, source, limit)
    except _DAMAGED as error:
        got = str(error) or type(error).__name__
        raise UserError(Problem(str(source), "a whole zip archive", got, "export or unpack it again")) from error


def _members(archive: zipfile.ZipFile, source: Path, findings: Findings) -> dict[str, zipfile.ZipInfo]:
    """Name below the folder to the entry; only plain files, each name once."""
    infos = [info for info in archive.infolist() if not info.filename.endswith("/")]
    problems: list[Problem | str] = []
    if len(infos) > _MAX_FILES:
        problems.append(Problem(str(source), f"at most {_MAX_FILES} files", str(len(infos)), "unpack it first"))
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos[:_MAX_FILES]:
        name = _name(info, source, findings)
        parts = PurePosixPath(name).parts
        kind = stat.S_IFMT(info.external_attr >> 16)
        where = f"{source.name}: {name!r}"
        if not parts:
            problems.append(Problem(where, "a name", "none"))
        elif name.startswith("/") or ".." in parts or ":" in parts[0] or "\0" in name:
            problems.append(Problem(where, "a name inside the archive", "one that leads out of it"))
        elif kind not in (0, stat.S_IFREG):
            problems.append(Problem(where, "a plain file", "a link or a device", "unpack it first"))
        elif info.flag_bits & 1:
            problems.append(Problem(where, "a file that is not encrypted", "an encrypted one", "unpack it first"))
        elif info.compress_type not in _METHODS:
            got = _OTHER_METHODS.get(info.compress_type, f"method {info.compress_type}")
            problems.append(Problem(where, "a file packed by deflate, or not packed", got, "unpack it first"))
        elif members.setdefault(name, info) is not info:
            problems.append(Problem(where, "each file once", "it twice"))
    if problems:
        raise UserError(problems[:20], f"Nothing was unpacked; {source} is not safe to unpack:")
    return members


def _check_content(names: list[str], source: Path) -> None:
    """Nothing but further archives: a folder that is removed again would have to be named."""
    if names and all(name.lower().endswith(".zip") for name in names):
        got = f"{counted(len(names), 'archive')} in it, the first is {names[0]!r}"
        raise UserError(Problem(source.name, "images and labels", got, "unpack it first, and convert each by itself"))


def _name(info: zipfile.ZipInfo, source: Path, findings: Findings) -> str:
    """With forward slashes; in UTF-8 also where the archive does not say so."""
    name = info.filename
    if not info.flag_bits & 0x800:
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            fate = "read as those of the first PCs (cp437); if they look wrong, unpack the archive where it was packed"
            findings.note("name in the archive in an encoding that it does not name", fate, f"{source.name}: {name}")
    return name.replace("\\", "/").removeprefix("./")


def _copy(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, source: Path, limit: int) -> int:
    """Bytes written; counted here, since the archive's own sizes may lie."""
    written = 0
    with archive.open(info) as packed, _created(target, source) as file:
        while chunk := packed.read(_CHUNK):
            written += len(chunk)
            if written > limit:
                expected = f"content of at most {_MAX_RATIO} times the archive's size that fits on the disk"
                raise UserError(Problem(str(source), expected, "more", "unpack it first, if you trust it"))
            file.write(chunk)
    return written


def _created(target: Path, source: Path) -> BinaryIO:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return target.open("xb")
    except OSError as error:
        if error.errno not in (errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EINVAL):
            raise
        expected, got = "a name that this disk can hold beside the others", f"{error.strerror} ({target.name[:40]!r})"
        raise UserError(Problem(str(source), expected, got, "unpack it first, and rename the file")) from error


def _inner(folder: Path) -> Path:
    """Down through folders that hold nothing but one folder; what systems add beside is passed over."""
    while True:
        inside = [entry for entry in os.scandir(folder) if not entry.name.startswith((".", "__MACOSX"))]
        if len(inside) != 1 or not inside[0].is_dir() or inside[0].name.lower().startswith(_ROOMS):
            return folder
        folder = Path(inside[0].path)


_ROOMS = (
    "images",
    "annotations",
    "jpegimages",
    "labels",
    "train",
    "test",
    "data",
    "group",
    "obj_",
)  # of a dataset, not around it

"""results.jsonl: a line an image as it is finished. It is the journal from which an interrupted job continues."""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomdet.errors import Problem, UserError
from anomdet.inference.outcome import FAILED
from anomdet.layout import RESULTS, RESULTS_OF_RANK
from anomdet.outputs import atomic_write
from anomdet.ranks import num_processes, rank

_NONE: Mapping[str, Sequence[int]] = {}
_PARTS = RESULTS_OF_RANK.format(rank="*", world="*")


def own_file(folder: Path) -> Path:
    """Where this process writes."""
    world = num_processes()
    return folder / (RESULTS if world == 1 else RESULTS_OF_RANK.format(rank=rank(), world=world))


def result_files(folder: Path) -> list[Path]:
    """All that hold results: the merged file first, so that what came later stands later."""
    return [path for path in (folder / RESULTS, *sorted(folder.glob(_PARTS))) if path.is_file()]


class Journal:
    """Appends lines to this process's file; what a kill left of a line is cut off first.

    Args:
        folder: of the outputs.
        sync: wait for the disk at each batch, so that not even a power failure loses what was said to be done.
    """

    def __init__(self, folder: Path, *, sync: bool) -> None:
        self.path, self._sync = own_file(folder), sync
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        os.lseek(self._file, _whole_bytes(self._file), os.SEEK_SET)
        os.ftruncate(self._file, os.lseek(self._file, 0, os.SEEK_CUR))

    def write(self, lines: Sequence[str]) -> None:
        """Lines without their ends; they are the system's when this returns, whatever happens to the process."""
        waiting = memoryview("".join(f"{line}\n" for line in lines).encode("ascii"))
        while waiting:
            waiting = waiting[os.write(self._file, waiting) :]
        if self._sync and lines:
            os.fsync(self._file)

    def close(self) -> None:
        """Let go of the file."""
        os.fsync(self._file)
        os.close(self._file)


def _whole_bytes(file: int) -> int:
    """The length up to the end of the last whole line."""
    end = os.lseek(file, 0, os.SEEK_END)
    while end > 0:
        start = max(0, end - 65536)
        os.lseek(file, start, os.SEEK_SET)
        at = os.read(file, end - start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    return 0


def read_lines(path: Path) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """(offset, length, document) of each line; one that was cut off at the end is left out.

    Raises:
        UserError: a line that is no result.
    """
    offset = 0
    with path.open("rb") as file:
        for line_num, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                document = json.loads(line)
                key = document["key"]
            except (ValueError, KeyError, TypeError, RecursionError):
                key = None
            if not isinstance(key, str):
                hint = "move the folder away and predict again"
                raise UserError(Problem(f"{path}:{line_num}", "a result that AnomDet wrote", "something else", hint))
            yield offset, len(line), document
            offset += len(line)


def finished(folder: Path, *, with_failed: bool) -> Iterator[dict[str, Any]]:
    """The documents of all images that were judged; without those that failed, they are tried again."""
    for path in result_files(folder):
        for _, _, document in read_lines(path):
            if with_failed or document.get("verdict") != FAILED:
                yield document


class Order:
    """The keys of all items in input order, as eight bytes each."""

    def __init__(self) -> None:
        self._hashes = array("q")

    def add(self, key: str) -> None:
        """The next item."""
        self._hashes.append(_hash(key))

    def positions(self, hashes: NDArray[np.int64]) -> NDArray[np.int64]:
        """The place of each; those that are no item of this job come last."""
        own = np.frombuffer(self._hashes, dtype=np.int64) if len(self._hashes) else np.zeros(0, np.int64)
        by_hash = np.argsort(own, kind="stable")
        at = np.searchsorted(own, hashes, sorter=by_hash)
        found = np.clip(at, 0, max(len(own) - 1, 0))
        known = own[by_hash[found]] == hashes if len(own) else np.zeros(len(hashes), bool)
        return np.where(known, by_hash[found] if len(own) else 0, len(own)).astype(np.int64)


def _hash(key: str) -> int:
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def merge(
    folder: Path, order: Order, each: Callable[[dict[str, Any]], None], changed: Mapping[str, Sequence[int]] = _NONE
) -> Path:
    """One results.jsonl, in input order, a line an image: the last that was judged, else the last that failed.

    Args:
        folder: of the outputs.
        order: of the items.
        each: is called with each document that is kept.
        changed: key to the stamp of an image whose earlier lines are of another file: any other is better than they.

    Returns:
        The merged file; those of single processes are gone.
    """
    paths = result_files(folder)
    columns: tuple[array[int], ...] = (array("q"), array("q"), array("q"), array("q"), array("q"))
    for number, path in enumerate(paths):
        for offset, length, document in read_lines(path):
            stamp = changed.get(document["key"])
            is_old = stamp is not None and document.get("stamp") != list(stamp)
            worth = -1 if is_old else int(document.get("verdict") != FAILED)
            values = (number, offset, length, _hash(document["key"]), worth)
            for column, value in zip(columns, values, strict=True):
                column.append(value)
    table: NDArray[np.int64] = np.array([np.frombuffer(c, np.int64) if len(c) else [] for c in columns], np.int64).T
    rows = np.lexsort((np.arange(len(table)), table[:, 4], table[:, 3]))  # of each image the best comes last
    last = np.append(table[rows[1:], 3] != table[rows[:-1], 3], True) if len(rows) else np.zeros(0, bool)
    kept = np.sort(rows[last])
    kept = kept[np.argsort(order.positions(table[kept, 3]), kind="stable")]
    files = [path.open("rb") for path in paths]
    try:
        with atomic_write(folder / RESULTS) as target:
            for number, offset, length, _, _ in table[kept].tolist():
                files[number].seek(offset)
                line = files[number].read(length)
                each(json.loads(line))
                target.write(line)
    finally:
        for file in files:
            file.close()
    for path in paths:
        if path.name != RESULTS:
            path.unlink()
    return folder / RESULTS

"""Image headers and label files of a check, read by all cores.

Label files of one object on each line, which are nearly all, are read many at once; every other one goes through
:func:`~anomdet.quality.check.lines.read_labels`, which says what is odd about it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from anomdet.data.index.image_batches import ImageCheck, read_headers
from anomdet.data.index.label_batches import parse_ordinary, read_bytes
from anomdet.data.index.listing import open_folder
from anomdet.data.index.parallel import in_parallel, num_cores, share_out
from anomdet.images.headers import BadImageError, Header
from anomdet.quality.check.findings import Finding
from anomdet.quality.check.lines import LabelFacts, ReadLabels, read_labels
from anomdet.quality.check.table import Rows, concatenate_rows
from anomdet.strict_files import MAX_LABEL_BYTES, read_regular

_MIN_SHARE = 8000  # entries for which another process is worth its start
_MIN_DECODED = 500  # the same where all pixels are read
_NUM_THREADS = 4  # that decode in one process before they wait for each other: the decoder alone lets others run
_BLOCK = 16_384  # label texts that are held at a time


@dataclass(frozen=True)
class OddLabels:
    """A label file that was read line by line: what is worth keeping (None: it cannot be read), and what is wrong."""

    facts: LabelFacts | None
    findings: list[Finding]


@dataclass
class Part:
    """What the files of some entries hold.

    Args:
        headers: of each image, or what is wrong with it; equal ones are one object.
        rows: objects of each label file.
        odd: position to the label file that was read line by line.
    """

    headers: list[Header | BadImageError]
    rows: Rows
    odd: dict[int, OddLabels]


def read_files(
    data_dir: str,
    images: Sequence[str | None],
    labels: Sequence[str | None],
    check: ImageCheck,
    class_nums: Mapping[str, int],
) -> Part:
    """Read images and label files, with as many processes as they are worth.

    Args:
        data_dir: holds images/ and labels/.
        images: names relative to images/; None for what must not be opened.
        labels: names relative to labels/, one for each image, and then those that have no image; None where there is
            nothing to be read.
        check: of the images.
        class_nums: class name to number, for label lines that hold a name.
    """
    if check.decode:
        shares = share_out(len(labels), _MIN_DECODED, max(1, num_cores() // _NUM_THREADS))
        check = replace(check, num_threads=-(-num_cores() // len(shares)))
    else:
        shares = share_out(len(labels), _MIN_SHARE, num_cores())
    parts = in_parallel(
        [(read_share, (data_dir, images[a:b], labels[a:b], check, class_nums)) for a, b in shares]  # images end first
    )
    odd = {start + at: one for (start, _), part in zip(shares, parts, strict=True) for at, one in part.odd.items()}
    headers = _shared([header for part in parts for header in part.headers])
    return Part(headers, concatenate_rows([part.rows for part in parts]), odd)


def read_share(
    data_dir: str,
    images: Sequence[str | None],
    labels: Sequence[str | None],
    check: ImageCheck,
    class_nums: Mapping[str, int],
) -> Part:
    """The same in one process."""
    image_path, label_path = f"{data_dir}/images", f"{data_dir}/labels"
    with open_folder(image_path) as folder:
        headers = _shared(read_headers(image_path, folder, images, check))
    rows: list[Rows] = []
    odd: dict[int, OddLabels] = {}
    with open_folder(label_path) as folder:
        for start in range(0, len(labels), _BLOCK):
            read, unusual = _read_block(label_path, folder, labels[start : start + _BLOCK], class_nums)
            rows.append(read)
            odd.update({start + at: one for at, one in unusual.items()})
    return Part(headers, concatenate_rows(rows), odd)


def _shared(headers: list[Header | BadImageError]) -> list[Header | BadImageError]:
    """A hundred thousand images of one kind need one header."""
    same: dict[Header | BadImageError, Header | BadImageError] = {}
    return [same.setdefault(header, header) for header in headers]


def _read_block(
    path: str, folder: int | str, labels: Sequence[str | None], class_nums: Mapping[str, int]
) -> tuple[Rows, dict[int, OddLabels]]:
    texts = [b"" if name is None else read_bytes(folder, name) for name in labels]
    written = parse_ordinary([text if text is not None and _is_plain(text) else None for text in texts])
    firsts = np.cumsum(written.counts) - written.counts
    line_nums = np.arange(1, len(written.values) + 1) - np.repeat(firsts, written.counts)
    rows = Rows(written.counts, line_nums, written.class_nums, written.values)
    read: dict[int, ReadLabels] = {}
    odd: dict[int, OddLabels] = {}
    for at in written.unusual:
        name = str(labels[at])
        found = _read_lines(f"{path}/{name}", f"labels/{name}", texts[at], class_nums)
        if isinstance(found, Finding):
            odd[at] = OddLabels(None, [found])
            continue
        read[at] = found
        odd[at] = OddLabels(found.facts(), found.findings)
    return rows.with_others({at: one.rows for at, one in read.items()}), odd


def _is_plain(text: bytes) -> bool:
    """Whether nothing is to be said of its line ends and blank lines."""
    return b"\r" not in text and not text.isspace()


def _read_lines(path: str, where: str, data: bytes | None, class_nums: Mapping[str, int]) -> ReadLabels | Finding:
    if data is None:
        try:
            data = read_regular(path, MAX_LABEL_BYTES)
        except OSError as error:
            return Finding("label-unreadable", where, 0, "a readable label file", error.strerror or str(error))
    read = read_labels(data, where, class_nums)
    if read.blank:
        found = Finding("label-blank", where, 0, "objects or zero bytes", "only blank lines", "read as normal")
        read.findings.append(found)
    return read

"""Mutated texts through every reader of texts: ``python -m tests.unit.fuzz_readers settings --num 2000 --seed 0``.

A process of its own, with 512 MB of memory beyond what its imports take, and 10 s for each input. It ends with 0 when
each input is read or refused with a UserError; what else came out, and of which input, is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from anomdet.config.load import load_settings
from anomdet.documents import read_metrics
from anomdet.errors import UserError
from anomdet.evaluation.files import read_results
from anomdet.formats.convert import Job, convert

MEMORY_BYTES, SECONDS = 512 * 2**20, 10
_COCO = {
    "images": [{"id": 1, "file_name": "a.png", "width": 60, "height": 40}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2.5, 3, 4], "area": 12, "iscrowd": 0}],
    "categories": [{"id": 1, "name": "dent"}],
}
_XML = (
    "<annotation><filename>a.png</filename><size><width>60</width><height>40</height><depth>3</depth></size><object>"
    "<name>dent</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>9</xmax><ymax>8</ymax></bndbox></object></annotation>"
)
_SETTINGS = (
    "model: {name: rtmdet_tiny, pretrained: false, overrides: {neck: {out_channels: 96}}}\n"
    "training: {epochs: 3, learning_rate: 1e-3, scheduler: {name: step_lr, gamma: 0.1}}\n"
    "data: &d {data_dir: data, classes: {1: open, 2: short}, augmentations: [{type: HorizontalFlip, p: 0.5}]}\n"
)
_PIECES = (
    b"*a", b"&a ", b"<<: ", b"!!python/object/apply:os.system [true]", b"9" * 5000, b"-1", b"1e999", b"nan", b"null",
    b"[" * 3000, b"{" * 3000, b'"', b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\n", b"\r", b"../../x", b"/dev/zero",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"2024-01-01", b"true", b"\\u0000", b"=1+1", b": ", b", ", b"}", b"]",
)  # fmt: skip


def _settings(folder: Path, data: bytes) -> None:
    (folder / "run.yaml").write_bytes(data)
    load_settings(folder / "run.yaml")


def _converted(from_format: str, name: str) -> Callable[[Path, bytes], None]:
    def read(folder: Path, data: bytes) -> None:
        (folder / "source").mkdir()
        (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "source" / name).write_bytes(data)
        convert(Job(folder / "source", from_format, "anomdet", folder / "out", with_images=False))

    return read


def _results(folder: Path, data: bytes) -> None:
    (folder / "truth.json").write_text(json.dumps(_COCO))
    (folder / "found.json").write_bytes(data)
    read_results(folder / "truth.json", folder / "found.json")


def _metrics(folder: Path, data: bytes) -> None:
    (folder / "metrics.json").write_bytes(data)
    read_metrics(folder)


_FOUND = [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]
READERS: dict[str, tuple[bytes, Callable[[Path, bytes], None]]] = {
    "settings": (_SETTINGS.encode(), _settings),
    "coco": (json.dumps(_COCO).encode(), _converted("coco", "labels.json")),
    "voc": (_XML.encode(), _converted("voc", "Annotations/a.xml")),
    "yolo": (b"path: .\ntrain: images\nnames: {0: dent, 1: scratch}\nnc: 2\n", _converted("yolo", "data.yaml")),
    "predictions": (json.dumps(_FOUND).encode(), _results),
    "metrics": (b'{"mAP": 0.5, "per_class": {"dent": {"AP": 0.5}}, "about": {}}', _metrics),
}


def mutated(rng: random.Random, data: bytes) -> bytes:
    """One to four changes: bytes cut, repeated, swapped or replaced, or a piece that has broken readers before."""
    for _ in range(rng.randint(1, 4)):
        at, length = rng.randint(0, len(data)), rng.choice((0, 1, 1, 2, 8, 40))
        new = rng.choice((rng.choice(_PIECES), rng.randbytes(rng.choice((1, 3))), data[at : at + length] * 2, b""))
        data = data[:at] + new + data[at + length :]
    return data


def run(name: str, num: int, seed: int) -> list[str]:
    """What went wrong, of so many inputs."""
    sample, read = READERS[name]
    rng, wrong = random.Random(f"{name} {seed}"), []
    for number in range(num):
        data = mutated(rng, sample)
        with tempfile.TemporaryDirectory() as folder:
            signal.alarm(SECONDS)  # a hang ends the process
            try:
                read(Path(folder), data)
            except UserError as error:
                if error.exit_code != 2:
                    wrong.append(f"{number}: exit code {error.exit_code}")
            except BaseException as error:  # noqa: BLE001 - that is what is looked for
                wrong.append(f"{number}: {type(error).__name__}: {error}"[:300] + f" of {data[:300]!r}")
            signal.alarm(0)
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("reader", choices=READERS)
    parser.add_argument("--num", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    run(given.reader, 5, -1)  # imports are done; their memory is not counted
    if sys.platform.startswith("linux"):
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, used + MEMORY_BYTES))
    wrong = run(given.reader, given.num, given.seed)
    sys.stdout.write("".join(f"{line}\n" for line in wrong[:20]) + f"{len(wrong)} of {given.num} went wrong\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())

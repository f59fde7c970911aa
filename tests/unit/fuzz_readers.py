"""Mutated inputs through every reader: ``python -m tests.unit.fuzz_readers settings voc --num 2000 --seed 0``.

A process of its own, with 512 MB of memory beyond what its imports take, and 10 s of a processor for each input. It
ends with 0 when each input is read or refused with a UserError and no file is written elsewhere; what else came out,
and of which input, is printed. The bar, 20,000 inputs over all readers, a process each: ``python -m
tests.unit.fuzz_readers all --num 600``. Pixels have a script of their own, ``tests/unit/images/fuzz_images.py``.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np

from anomdet.config.load import load_settings
from anomdet.data.index.scan import scan
from anomdet.data.splits.lists import read_split_files
from anomdet.documents import read_details, read_metrics, read_split_record
from anomdet.errors import UserError
from anomdet.evaluation.files import read_results
from anomdet.formats.convert import Job, convert
from anomdet.formats.formats import FORMATS
from anomdet.formats.names_beside import names_beside
from anomdet.formats.side_files import read_classes
from anomdet.inference.artifact import Artifact
from anomdet.inference.exported import read_manifest
from anomdet.inference.sources import open_sources
from anomdet.layout import EXPORT_MANIFEST, HOLDER, MANIFEST
from anomdet.output_rule import make_room
from anomdet.quality.check.check import Rules, check_data
from anomdet.run_lock import one_run_in
from anomdet.workflows.predictions.folder import read_job
from anomdet.workflows.predictions.journal import Order, merge
from tests.unit.formats.test_fuzz import make_source, replace_one
from tests.unit.inference.test_artifact import ARTIFACT

ROOT = Path(__file__).parents[2]
MEMORY_BYTES, SECONDS = 512 * 2**20, 10
PNG = cv2.imencode(".png", np.zeros((40, 60, 3), np.uint8))[1].tobytes()
Reader = Callable[[Path, bytes], object]
_COCO = {
    "images": [{"id": 1, "file_name": "a.png", "width": 60, "height": 40}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2.5, 3, 4], "area": 12, "iscrowd": 0}],
    "categories": [{"id": 1, "name": "dent"}],
}
_SETTINGS = (
    "model: {name: rtmdet_tiny, pretrained: false, overrides: {neck: {out_channels: 96}}}\n"
    "training: {epochs: 3, learning_rate: 1e-3, scheduler: {name: step_lr, gamma: 0.1}}\n"
    "data: &d {data_dir: data, classes: {1: open, 2: short}, augmentations: [{type: HorizontalFlip, p: 0.5}]}\n"
)
_POINT = {"score": [0.5], "precision": [1.0], "recall": [0.5], "f1_score": [0.6]}
_CASE = {"kind": "missed", "file_name": "a.png", "size_hw": [4, 6], "class": "dent", "predicted": None, "score": None}
_CASE |= {"iou": None, "bbox_xywh": [1, 1, 2, 2], "truth": [{"class": "dent", "bbox_xywh": [1, 1, 2, 2]}]}
_DETAILS = {
    "version": 1,
    "curves": {"all": _POINT, "per_class": {"dent": _POINT}},
    "froc": {"false_boxes_per_image": [0], "recall": [0.5], "score": [0.5]},
    "roc": {"overkill_rate": [0], "detection_rate": [1], "score": [0.5]},
    "anomaly_scores": {"good": [0.1], "defective": [0.9]},
    "cases": [{**_CASE, "predictions": []}],
}
_FOUND = [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]
_SPLITS = {"version": 1, "data_dir": "data", "splits": {"train": {"file": "train.txt", "num_images": 1, "hash": "a"}}}
_LINE = json.dumps({"key": "a.png", "version": 1, "image": "a.png", "verdict": "accept", "detections": []}) + "\n"
_PIECES = (
    b"*a", b"&a ", b"<<: ", b"!!python/object/apply:os.system [true]", b"9" * 5000, b"-1", b"1e999", b"nan", b"null",
    b"[" * 3000, b"{" * 3000, b'"', b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\n", b"\r", b"../../x", b"/dev/zero",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"2024-01-01", b"true", b"\\u0000", b"=1+1", b": ", b", ", b"}", b"]",
    b"\x1b[2J", b"\xe2\x80\xae", b"\xef\xbb\xbf", b"0x" + b"f" * 5000, b"x" * 140_000, b"{1: 2, 1: 3}", b"\x85",
)  # fmt: skip


def _one_file(name: str, read: Callable[[Path], object]) -> Reader:
    """A reader of one file, which gets its path."""

    def written(folder: Path, data: bytes) -> object:
        (folder / name).write_bytes(data)
        return read(folder / name)

    return written


def _data(folder: Path, data: bytes) -> Path:
    for name, content in (("images/a.png", PNG), ("labels/a.txt", data), ("images/b.png", PNG), ("labels/b.txt", b"")):
        (folder / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "data" / name).write_bytes(content)
    return folder / "data"


def _labels(folder: Path, data: bytes) -> None:
    check_data(_data(folder, data), Rules())
    scan(folder / "data")


def _image(folder: Path, data: bytes) -> None:
    (_data(folder, b"1 2 3 4 5\n") / "images" / "a.png").write_bytes(data)
    check_data(folder / "data", Rules(decode=True))
    scan(folder / "data", verify_images="decode")


def _split_list(folder: Path, data: bytes) -> None:
    index = scan(_data(folder, b"1 2 3 4 5\n"))
    (folder / "list.txt").write_bytes(data)
    read_split_files(index, dict.fromkeys(("train", "val", "test"), str(folder / "list.txt")))


def _results(truth: bytes | None, folder: Path, data: bytes) -> None:
    (folder / "truth.json").write_bytes(data if truth is None else truth)
    (folder / "found.json").write_bytes(json.dumps(_FOUND).encode() if truth is None else data)
    read_results(folder / "truth.json", folder / "found.json")


def _held(path: Path) -> None:
    with one_run_in({"--out": path.parent}):
        path.write_bytes(path.read_bytes())


def _archive(folder: Path, data: bytes) -> None:
    (folder / "source.zip").write_bytes(data)
    convert(Job(folder / "source.zip", None, "anomdet", folder / "out", with_images=False))


def _zipped() -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.json", json.dumps(_COCO))
        archive.writestr("images/a.png", PNG)
    return whole.getvalue()


@cache
def _whole_source(name: str) -> Path:
    folder = Path(tempfile.mkdtemp()) / "whole"
    return make_source(name, folder)


def _converted(name: str, folder: Path, data: bytes) -> None:
    """One of the source's files, chosen and changed by the numbers in ``data``."""
    rng = random.Random(data)
    shutil.copytree(_whole_source(name), folder / "source")
    path = rng.choice(sorted(path for path in (folder / "source").rglob("*") if path.is_file()))
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(mutated(rng, content))
    to_format = rng.choice(("anomdet", "coco", "cvat", "voc", "yolo"))
    convert(Job(folder / "source", rng.choice((name, None)), to_format, folder / "out", with_images=False))


def _checkpoint() -> bytes:
    import torch

    from anomdet.engine.checkpoint import Meta

    meta = {"epoch": 1, "iter": 8, "seed": 0, "dataset_meta": {"classes": ["dent"], "class_nums": [3]}}
    meta["best"] = {"score": 0.5, "epoch": 1, "monitor": "mAP"}
    meta["inference"] = ARTIFACT.to_dict()
    whole = io.BytesIO()
    weights = {"state_dict": {"a.weight": torch.arange(30.0).reshape(5, 6)}, "optimizer": {"state": {0: {"step": 1}}}}
    torch.save({"meta": meta, **weights}, whole)
    Meta.of({"meta": meta}, "sample")
    return whole.getvalue()


def _read_checkpoint(path: Path) -> None:
    from anomdet.engine.checkpoint import Meta, load_checkpoint
    from anomdet.workflows.load import read_artifact

    checkpoint = load_checkpoint(path)
    Meta.of(checkpoint, str(path))
    read_artifact(checkpoint, path)


def _pickled(folder: Path, data: bytes) -> None:
    """Within a sound archive, so that no checksum finds it."""
    with zipfile.ZipFile(io.BytesIO(_checkpoint())) as old, zipfile.ZipFile(folder / "x.pth", "w") as new:
        for record in old.infolist():
            is_pickle = record.filename.endswith("data.pkl")
            new.writestr(record.filename, data if is_pickle else old.read(record))
    _read_checkpoint(folder / "x.pth")


def _pickle_of_it() -> bytes:
    with zipfile.ZipFile(io.BytesIO(_checkpoint())) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))


def _safetensors() -> bytes:
    import torch
    from safetensors.torch import save

    return bytes(save({"a.weight": torch.arange(30.0), "b": torch.ones(2, 3)}))


_JSON = json.dumps
READERS: dict[str, tuple[Callable[[], bytes], Reader]] = {
    "settings": (lambda: _SETTINGS.encode(), _one_file("run.yaml", load_settings)),
    "labels": (lambda: b"1 2 3.5 4 5\n2 1e1 3 +4 .5\n", _labels),
    "image": (lambda: PNG, _image),
    "split list": (lambda: b"a.png\nb.png\n", _split_list),
    "text list": (lambda: b"a.png\nb.png\n", _one_file("a.txt", lambda path: list(open_sources(path)))),
    "table": (lambda: b"image,x\na.png,1\nb.png,2\n", _one_file("a.csv", lambda path: list(open_sources(path)))),
    "class names": (lambda: b"data: {classes: {0: dent, 1: scratch}}\n", _one_file("classes.yaml", read_classes)),
    "truth": (lambda: _JSON(_COCO).encode(), partial(_results, None)),
    "predictions": (lambda: _JSON(_FOUND).encode(), partial(_results, _JSON(_COCO).encode())),
    "metrics": (
        lambda: b'{"mAP": 0.5, "per_class": {"dent": {"AP": 0.5}}, "about": {}}',
        _one_file("metrics.json", lambda path: read_metrics(path.parent)),
    ),
    "details": (lambda: _JSON(_DETAILS).encode(), _one_file("details.json", lambda path: read_details(path.parent))),
    "splits": (
        lambda: _JSON({**_SPLITS, "made_by": {}}).encode(),
        lambda folder, data: ((folder / "splits").mkdir(), _one_file("splits/splits.json", _record)(folder, data)),
    ),
    "artifact": (
        lambda: _JSON(ARTIFACT.to_dict()).encode(),
        _one_file("a.json", lambda path: Artifact.from_dict(_parsed(path), str(path))),
    ),
    "manifest": (lambda: b'{"version": 1}', _one_file(EXPORT_MANIFEST, lambda path: read_manifest(path.parent))),
    "outputs": (
        lambda: b'{"version": 1, "written": ["a", "b"]}',
        _one_file(MANIFEST, lambda path: make_room(path.parent, ["a"], "--out")),
    ),
    "holder": (lambda: b'{"host": "a", "pid": 1, "command": "", "started": ""}', _one_file(HOLDER, _held)),
    "job": (
        lambda: b'{"version": 1, "kind": "anomdet predict", "every": 1}',
        _one_file("predict.json", lambda path: read_job(path.parent)),
    ),
    "journal": (
        lambda: _LINE.encode() * 2,
        _one_file("results.jsonl", lambda path: merge(path.parent, Order(), lambda document: None)),
    ),
    "zip": (_zipped, _archive),
    "checkpoint": (_checkpoint, _one_file("x.pth", _read_checkpoint)),
    "pickle": (_pickle_of_it, _pickled),
    "safetensors": (_safetensors, _one_file("x.safetensors", _read_checkpoint)),
    **{
        f"names in {name}": (
            partial(bytes, text),
            _one_file(name, lambda path: names_beside(path.parent, [1, 2])),
        )
        for name, text in (
            ("classes.yaml", b"1: dent\n2: scratch\n"),
            ("data.yaml", b"names: [no, dent, scratch]\nnc: 3\n"),
            ("notes.json", b'{"categories": [{"id": 1, "name": "dent"}, {"id": 2, "name": "scratch"}]}'),
            ("classes.txt", b"no\ndent\nscratch\n"),
        )
    },
    **{f"convert {name}": (partial(bytes, 8), partial(_converted, name)) for name in sorted(FORMATS)},
}


def _record(path: Path) -> object:
    return read_split_record(path.parents[1])


def _parsed(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise UserError("no JSON") from None


def mutated(rng: random.Random, data: bytes) -> bytes:
    """One to four changes: bytes cut, repeated, swapped or replaced, or a piece that has broken readers before.

    In JSON also another value at any depth.
    """
    if data[:1] in (b"{", b"[") and rng.random() < 0.5:
        try:
            changed = replace_one(json.loads(data), np.random.default_rng(rng.randrange(2**32)))
            return json.dumps(changed).encode()
        except (ValueError, RecursionError):
            pass
    for _ in range(rng.randint(1, 4)):
        at, length = rng.randint(0, len(data)), rng.choice((0, 1, 1, 2, 8, 40))
        new = rng.choice((rng.choice(_PIECES), rng.randbytes(rng.choice((1, 3))), data[at : at + length] * 2, b""))
        data = data[:at] + new + data[at + length :]
    return data


def run(name: str, num: int, seed: int) -> list[str]:
    """What went wrong, of so many inputs."""
    sample, read = READERS[name]
    rng, wrong = random.Random(f"{name} {seed}"), []
    data = sample()
    for number in range(num):
        changed = rng.randbytes(8) if name.startswith("convert") else mutated(rng, data)
        with tempfile.TemporaryDirectory() as place:
            for folder in ("work", "here"):
                (Path(place) / folder).mkdir()
            os.chdir(Path(place) / "here")
            _limit(SECONDS)  # too long a time, or a hang, ends the process
            try:
                read(Path(place) / "work", changed)
            except UserError as error:
                if error.exit_code != 2:
                    wrong.append(f"{number}: exit code {error.exit_code}")
            except BaseException as error:  # noqa: BLE001 - that is what is looked for
                wrong.append(f"{number}: {type(error).__name__}: {error}"[:300] + f" of {changed[:300]!r}")
            _limit(0)
            wrong += [f"{number}: wrote {name} of {changed[:300]!r}" for name in _outside(Path(place))]
            os.chdir(ROOT)
    return wrong


class _TooLongError(BaseException):
    """No reader may catch it."""


def _too_long(*_: object) -> None:
    raise _TooLongError(f"more than {SECONDS} s")


def _limit(seconds: float) -> None:
    """Of processor time; and twelve times as much by the clock, for a machine may be busy, which ends the process."""
    signal.signal(signal.SIGPROF, _too_long)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.alarm(12 * int(seconds))


def _outside(place: Path) -> list[str]:
    """What stands in neither the folder of the input and the output nor the current folder."""
    return sorted(
        path.name for path in (*place.iterdir(), *(place / "here").iterdir()) if path.name not in ("work", "here")
    )


def _all(num: int, seed: int) -> int:
    """Every reader in a process of its own."""
    failed = []
    for name in READERS:
        command = [sys.executable, "-m", "tests.unit.fuzz_readers", name, "--num", str(num), "--seed", str(seed)]
        code = subprocess.run(command).returncode
        failed += [f"{name} ({code})"] if code else []
    sys.stdout.write(f"{len(READERS) * num} inputs, {len(READERS)} readers; failed: {', '.join(failed) or 'none'}\n")
    return int(bool(failed))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("readers", nargs="+", choices=[*READERS, "all"], metavar="READER")
    parser.add_argument("--num", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.readers == ["all"]:
        return _all(given.num, given.seed)
    for name in given.readers:
        run(name, 5, -1)  # imports are done; their memory is not counted
    if sys.platform.startswith("linux"):
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, used + MEMORY_BYTES))
    wrong = {name: run(name, given.num, given.seed) for name in given.readers}
    for name, lines in wrong.items():
        sys.stdout.write("".join(f"{line}\n" for line in lines[:20]))
        sys.stdout.write(f"{name}: {len(lines)} of {given.num} went wrong\n")
    return int(any(wrong.values()))


if __name__ == "__main__":
    sys.exit(main())

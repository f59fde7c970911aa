"""Bad input of every kind: exit code 2, one message that says what to do, no traceback, nothing changed.

The table is bad_input.yaml. Each case starts from a folder with ``data/`` (12 images), ``run.yaml``, its translation
``run.py`` and the ``logs/`` and ``checkpoints/`` of a training. Its keys:

- ``run``: the text of run.yaml; ``write``: file to text; ``bytes``: file to hex; ``remove``, ``cut`` (to half): files;
- ``copy``: file to file; ``labels``: a text for every label file; ``replace``: file to [old, new];
- ``spoil``: checkpoint to what becomes of it: ``flipped``, ``compressed``, ``nan``, ``older`` or ``reaches_exec``;
- ``save``: file to what torch.save writes there: ``list``, ``no_classes`` or ``code``;
- ``trained``: whether checkpoints/ holds real checkpoints, and not just two small files;
- ``args``: the command line; ``error``: all that stderr says, ``{here}`` standing for the folder.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from anomdet.cli import mmdet_tools as mmdet_manners
from anomdet.cli.main import main
from anomdet.data.synth.generate import generate
from anomdet.workflows import train
from tests.unit.engine import hostile

RUN = """\
model: {name: rtmdet_tiny, pretrained: false}
training: {epochs: 1, batch_size: 4, use_amp: false}
data: {data_dir: data, image_size: 96, num_workers: 0}
logging: {log_dir: logs, checkpoint_dir: checkpoints}
"""
CASES: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("bad_input.yaml").read_text("utf-8"))
CHECKPOINTS = ("checkpoints/best_model.pth", "checkpoints/last.pth")


class Code:
    """What a malicious checkpoint holds."""

    def __reduce__(self) -> Any:
        return os.system, ("touch executed",)


SAVED = {"list": [1], "no_classes": {"state_dict": {}}, "code": {"state_dict": Code()}}


def flipped(path: Path) -> None:
    """One bit of its largest weight."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda record: record.file_size)
    content[largest.header_offset + largest.file_size // 2] ^= 1
    path.write_bytes(content)


def compressed(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        records = [(record.filename, archive.read(record)) for record in archive.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in records:
            archive.writestr(name, content)


def nan(path: Path) -> None:
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["state_dict"]["backbone.stem.0.conv.weight"][0] = float("nan")
    torch.save(checkpoint, path)


def older(path: Path) -> None:
    """As version 0.1 wrote it."""
    checkpoint = torch.load(path, weights_only=True)
    del checkpoint["meta"]["inference"]
    torch.save(checkpoint, path)


def reaches_exec(path: Path) -> None:
    hostile.write_archive(path, hostile.reach_exec(path.with_name("executed")))


SPOILT = {spoil.__name__: spoil for spoil in (flipped, compressed, nan, older, reaches_exec)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that each case starts from."""
    folder = tmp_path_factory.mktemp("trained")
    generate(folder / "data", num_images=12, size_hw=(96, 96))
    (folder / "run.yaml").write_text(RUN, encoding="utf-8")
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert exit_code(["train", "-c", "run.yaml"]) == 0
    finally:
        os.chdir(before)
    shutil.move(folder / "logs" / "config.py", folder / "run.py")
    return folder


@pytest.fixture
def here(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it as the current folder, where no training may start and no network is."""

    def no_network(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    def no_training(*_: object) -> None:
        raise AssertionError("the training was started")

    folder = tmp_path / "here"
    shutil.copytree(trained, folder, ignore=shutil.ignore_patterns("*.pth"))
    for name in CHECKPOINTS:
        (folder / name).write_text("stands for an earlier run", encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TORCH_HOME", "torch_home")
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setattr(train, "_run", no_training)
    return folder


def exit_code(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def contents(folder: Path) -> dict[str, str]:
    """The digest of every file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _make_parents(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)


def spoil(folder: Path, trained: Path, case: dict[str, Any]) -> None:
    """Bring about what the case is about."""
    for name in CHECKPOINTS if case.get("trained") else ():
        shutil.copy(trained / name, folder / name)
    texts = {**case.get("write", {}), **({"run.yaml": case["run"]} if "run" in case else {})}
    _make_parents(folder, [*texts, *case.get("copy", {}).values()])
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name, digits in case.get("bytes", {}).items():
        (folder / name).write_bytes(bytes.fromhex(digits))
    for name in case.get("remove", []):
        shutil.rmtree(folder / name) if (folder / name).is_dir() else (folder / name).unlink()
    for source, target in case.get("copy", {}).items():
        shutil.copy(folder / source, folder / target)
    for path in (folder / "data" / "labels").glob("*.txt") if "labels" in case else []:
        path.write_text(case["labels"], encoding="utf-8")
    for name, (old, new) in case.get("replace", {}).items():
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    spoil_checkpoints(folder, case)


def spoil_checkpoints(folder: Path, case: dict[str, Any]) -> None:
    for name in case.get("cut", []):
        (folder / name).write_bytes((folder / name).read_bytes()[: (folder / name).stat().st_size // 2])
    for name, kind in case.get("save", {}).items():
        torch.save(SAVED[kind], folder / name)
    for name, kind in case.get("spoil", {}).items():
        SPOILT[kind](folder / name)


def test_the_table_is_long_enough() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize("name", CASES)
def test_bad_input(name: str, here: Path, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = CASES[name]
    spoil(here, trained, case)
    before = contents(here)
    capsys.readouterr()
    code = exit_code(case["args"])
    shown = capsys.readouterr()
    assert shown.err == f"error: {case['error'].rstrip()}\n".replace("{here}", str(here))
    assert code == 2
    assert "Traceback" not in shown.out
    assert contents(here) == before


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        (
            mmdet_manners.test,
            ["run.yaml"],
            "command line: the following arguments are required: checkpoint; see: python tools/test.py --help",
        ),
        (
            mmdet_manners.train,
            ["run.yaml", "--launcher", "pytorch"],
            "--launcher pytorch: expected to be started by torchrun, got no WORLD_SIZE; "
            "start it with tools/dist_train.sh CONFIG GPUS or tools/dist_test.sh CONFIG CHECKPOINT GPUS",
        ),
        (
            mmdet_manners.train,
            ["--cfg-options", "training.epochs=x", "run.yaml"],
            "command line: training.epochs: expected an integer >= 1, got 'x'",
        ),
        (
            mmdet_manners.browse_dataset,
            ["run.yaml", "--show-number", "0"],
            "--limit: expected an integer >= 1, got 0",
        ),
    ],
)
def test_bad_input_of_the_tools(
    tool: Any, arguments: list[str], message: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(here)
    with pytest.raises(SystemExit) as ended:
        tool(arguments)
    assert (ended.value.code, capsys.readouterr().err) == (2, f"error: {message}\n")
    assert contents(here) == before


@pytest.mark.slow
def test_an_image_that_a_worker_cannot_decode(trained: Path, tmp_path: Path) -> None:
    """Its header is sound, so only a loader's worker finds it; a real process, since workers are."""
    shutil.copytree(trained / "data", tmp_path / "data")
    import cv2
    import numpy as np

    noise = np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    png = bytearray(cv2.imencode(".png", noise)[1].tobytes())
    png[len(png) // 2 : len(png) // 2 + 500] = bytes(500)
    for path in (tmp_path / "data" / "images").glob("*.jpg"):
        path.unlink()
        path.with_suffix(".png").write_bytes(png)
    (tmp_path / "run.yaml").write_text(RUN.replace("num_workers: 0", "num_workers: 1"), encoding="utf-8")
    command = [sys.executable, "-m", "anomdet.cli.main", "train", "-c", "run.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr + done.stdout
    # libpng complains by itself, in the middle of our line if it so happens
    said = re.findall(
        r"error: data/images/part_000\d\d\.png: expected a readable image, got a png file with", done.stderr
    )
    assert len(said) == 1

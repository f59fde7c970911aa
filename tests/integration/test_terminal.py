"""Commands whose output nobody reads, and names that a terminal cannot show or would obey."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from anomdet.data.synth.generate import generate
from tests.integration.test_bad_input import RUN, exit_code

OBEYED = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")
NAMES = ["é", "a\x1b[31mred", "日本", "\u202egnp", "tab\tx", os.fsdecode(b"b\xff")]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Data with odd names, and settings with odd classes and folders, as the current folder."""
    generate(tmp_path / "data", num_images=12, size_hw=(96, 96))
    for path, name in zip(sorted((tmp_path / "data" / "images").iterdir()), NAMES, strict=False):
        path.rename(path.with_stem(name))
        label = tmp_path / "data" / "labels" / f"{path.stem}.txt"
        label.rename(label.with_stem(name))
    text = RUN.replace("image_size", 'classes: {1: Kratzer ü, 2: 日本, 3: "a\u3000b", 4: x}, image_size')
    text = text.replace("log_dir: logs", 'log_dir: "lögs\\e[1m"')
    (tmp_path / "run.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


COMMANDS = (
    "check --data data",
    "check --data nothing\x1b[2J",
    "train -c run.yaml",
    "evaluate -c run.yaml",
    "report lögs\x1b[1m/evaluation",
    "compare lögs\x1b[1m/evaluation lögs\x1b[1m/evaluation",
    "predict checkpoints/best_model.pth data/images --out found\x1b[1m",
    "visualize -c run.yaml --limit 2",
    "browse -c run.yaml --limit 2",
    "init data --out other.yaml",
    "convert data --to coco --out converted",
)


def test_odd_names_give_no_traceback_and_reach_no_terminal(here: Path) -> None:
    """All commands in one process, with a terminal that knows ASCII alone."""
    program = f"""
import sys
from anomdet.cli.main import main
for command in {COMMANDS!r}:
    try:
        main(command.split(" "))
    except SystemExit as end:
        print("END", end.code, flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
    )
    said = done.stdout + done.stderr
    assert not OBEYED.search(said), repr(OBEYED.search(said))
    assert "Traceback" not in said and "unforeseen" not in said
    codes = re.findall(r"^END (\d)$", done.stdout, re.MULTILINE)
    assert codes == list("02000000002"), said
    assert "Kratzer \\xfc" in done.stdout and "nothing\\x1b[2J, which is not there" in done.stderr
    log = (here / "lögs\x1b[1m" / "training.log").read_text(encoding="utf-8")
    assert "1: Kratzer ü" in log and not OBEYED.search(log)


def test_a_training_whose_output_nobody_reads_ends_with_its_checkpoint(here: Path) -> None:
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "anomdet", "train", "-c", "run.yaml"], stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    os.read(reader, 1)
    os.close(reader)
    assert process.communicate()[1] == "" and process.returncode == 0
    assert (here / "checkpoints" / "last.pth").is_file() and (here / "checkpoints" / "best_model.pth").is_file()


def test_labels_that_change_during_a_training_are_named(here: Path) -> None:
    (here / "changing.py").write_text(
        "from pathlib import Path\nfrom mmengine.hooks import Hook\nfrom mmengine.registry import HOOKS\n\n"
        "@HOOKS.register_module()\nclass Changing(Hook):\n"
        "    def after_train_epoch(self, runner):\n"
        "        for path in Path('data/labels').iterdir():\n"
        "            path.write_text('1 2 3 44 45\\n')\n"
    )
    changing = ["training.hooks=[{type: Changing}]", "plugins=[changing]"]
    assert exit_code(["train", "-c", "run.yaml", *changing]) == 0
    log = (here / "lögs\x1b[1m" / "training.log").read_text(encoding="utf-8")
    assert re.search(r"WARNING data: changed during the run: labels/.*; the boxes stay those of the start", log)

"""No output of any command lands at, in or around the images and labels; a file of the user's is never replaced."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from anomdet.data.synth.generate import generate
from tests.integration.conftest import Trained, run_command
from tests.unit.test_run_lock import HOLD, first_line, start

Capture = pytest.CaptureFixture[str]

# The words of each command up to the output that follows; {config} and {data} stand for a trained run's.
COMMANDS = {
    "evaluate": ("evaluate", "-c", "{config}", "--checkpoint", "{checkpoint}", "{data_dir}", "--out"),
    "visualize": ("visualize", "-c", "{config}", "--checkpoint", "{checkpoint}", "{data_dir}", "--out"),
    "browse": ("browse", "-c", "{config}", "{data_dir}", "--out"),
    "browse --page": ("browse", "--data", "{data}", "--page", "--out"),
    "check --fix": ("check", "--data", "{data}", "--fix"),
    "check --out": ("check", "--data", "{data}", "--out"),
    "convert": ("convert", "{data}", "--from", "anomdet", "--to", "coco", "--out"),
}
FOLDERS = ("data/images", "data/labels/new", "link/new", "data/labels/../images/new", "data")
FILES = ("data/images/found.txt", "data/labels/found.yaml", "link/found.txt")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    generate(tmp_path / "data", num_images=12, size_hw=(96, 96))
    (tmp_path / "link").symlink_to(tmp_path / "data" / "images")
    return tmp_path


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def refused(here: Path, capsys: Capture, *words: str | Path) -> None:
    before = contents(here)
    run_command(*words, code=2)
    told = capsys.readouterr().err
    assert any(
        text in told for text in ("outside of the data", "without the data", "an empty or new", "a file to write")
    )
    assert contents(here) == before


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_at_in_or_around_the_data(command: str, here: Path, trained: Trained, capsys: Capture) -> None:
    names = dict(config=trained.config, checkpoint=trained.checkpoint_dir / "best_model.pth", data=here / "data")
    names["data_dir"] = f"data.data_dir={here / 'data'}"  # type: ignore[assignment]
    words = [word.format(**names) for word in COMMANDS[command]]
    for out in FILES if command == "check --out" else FOLDERS:
        refused(here, capsys, *words, here / out)


def test_the_folders_of_a_training(here: Path, trained: Trained, capsys: Capture) -> None:
    own = {"log_dir": here / "logs", "checkpoint_dir": here / "checkpoints"}
    for key in own:
        for out in FOLDERS:
            keys = [f"logging.{name}={path}" for name, path in {**own, key: here / out}.items()]
            refused(here, capsys, "train", "-c", trained.config, f"data.data_dir={here / 'data'}", *keys)


def test_the_file_of_init(here: Path, capsys: Capture) -> None:
    refused(here, capsys, "init", here / "data", "--out", here / "data" / "labels" / "run.yaml")


def test_a_second_browse_or_visualize_moves_only_its_own(here: Path, trained: Trained) -> None:
    out = here / "out"
    shutil.copytree(here / "data" / "images", out)
    mine = contents(out)
    common = ("-c", trained.config, "--out", out)
    run_command("browse", *common, "--limit", "5")
    run_command("browse", *common, "--limit", "3")
    (moved,) = (out / "previous").iterdir()
    assert {path.name for path in moved.iterdir()} == {*(f"{at:04d}.jpg" for at in range(5)), "contact_sheet.jpg"}
    assert len(list(out.glob("0*.jpg"))) == 3
    run_command("visualize", *common, "--limit", "2", code=2)  # an image of the user's has such a name
    assert mine.items() <= contents(out).items()


def test_findings_replace_findings_only(here: Path, capsys: Capture) -> None:
    out = here / "found.txt"
    for style in ("text", "json", "sarif", "text"):
        run_command("check", "--data", here / "data", "--out", out, "--format", style)
    assert len(list((here / "previous").rglob("found.txt"))) == 3
    out.write_text("my notes")
    capsys.readouterr()
    run_command("check", "--data", here / "data", "--out", out, code=2)
    assert (
        f"--out: expected a new name, or one of an earlier run, got {out}, which is neither" in capsys.readouterr().err
    )
    assert out.read_text() == "my notes"


def test_a_comparison_replaces_a_comparison_only(here: Path, trained: Trained, capsys: Capture) -> None:
    evaluated = here / "evaluated"
    run_command("evaluate", "-c", trained.config, "--out", evaluated)
    words = ("compare", evaluated, evaluated, "--resamples", "50", "--out", here / "out")
    for _ in range(2):
        run_command(*words)
    assert len(list((here / "out" / "previous").rglob("comparison.json"))) == 1
    (here / "out" / ".anomdet.json").unlink()
    run_command(*words, code=2)
    assert "comparison.json, which is neither" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train", "evaluate", "visualize"])
def test_a_folder_that_another_run_writes_into(command: str, here: Path, trained: Trained, capsys: Capture) -> None:
    (here / "busy").mkdir()
    outputs = ["--out", here / "busy"]
    if command == "train":
        outputs = [f"logging.log_dir={here / 'logs'}", f"logging.checkpoint_dir={here / 'busy'}"]
    holder = start(HOLD, here / "busy", "alone")
    try:
        assert first_line(holder) == "held"
        before = contents(here)
        run_command(command, "-c", trained.config, *outputs, code=2)
        assert f"expected a folder that no other run writes into, got {here / 'busy'}" in capsys.readouterr().err
        assert contents(here) == before
    finally:
        holder.kill()
        holder.wait()

"""The commands and the Python lines of the README's first screen, run as they stand, on data in another format."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from anomdet.config.dump import dump_yaml
from anomdet.config.load import load_settings
from anomdet.data.synth.generate import generate
from tests.integration.conftest import run_command

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SHORT = ("training.epochs=1", "training.batch_size=4", "data.image_size=64", "data.num_workers=0")


def block_after(title: str) -> str:
    """The indented lines that follow a text."""
    found = re.search(r"\n\n((?:    [^\n]*\n)+)", README[README.index(title) :])
    assert found is not None
    return re.sub(r"^    ", "", found[1], flags=re.MULTILINE)


def test_the_first_screen_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is changed but the length of the training, in the file that ``init`` has written."""
    drawn = generate(tmp_path / "drawn", num_images=24, size_hw=(96, 96)).data_dir
    monkeypatch.chdir(tmp_path)
    run_command("convert", drawn, "--to", "coco", "--out", "SRC")
    shutil.copytree(drawn / "images", "new_images")
    commands = re.findall(r"^anomdet ([^#\n]*)", block_after("**Start:**"), re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["convert", "init", "train", "evaluate", "predict"]
    for command in commands:
        run_command(*shlex.split(command))
        if command.startswith("init"):
            Path("run.yaml").write_text(dump_yaml(load_settings("run.yaml", SHORT)), encoding="utf-8")
    assert "defective images pass as good (escapes)" in capsys.readouterr().out
    assert Path("logs/evaluation/report.html").is_file()
    Path("part.png").write_bytes(next(Path("new_images").iterdir()).read_bytes())
    exec(compile(block_after("**In Python:**"), "README.md", "exec"), {})
    assert capsys.readouterr().out.splitlines()[-1] in ("accept", "reject")


def test_the_first_screen_has_what_a_reader_asks_first() -> None:
    screen = README[: README.index("## What it does")]
    for text in ("MIT", "docs/demo.png", "docs/report.png", "make install", "On Windows", "docs/benchmarks.md"):
        assert text in screen
    words = re.findall(
        r"^\| ([^|]+) \| [^|]+ \|$", README[README.index("## Words") : README.index("## What it does")], re.M
    )
    assert len(words) == 1 + 8  # the head, and eight terms
    assert "../shared" not in README  # nothing that a clone lacks

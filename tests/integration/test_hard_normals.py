"""From decisions about hard normals to a run that draws them more often, and resumes only with the same list."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from anomdet.data.index.scan import scan
from tests.integration.conftest import run_command, write_settings

SHARE = "training.class_imbalance_handling.hard_normals=0.6"


def test_confirmed_hard_normals_are_drawn_more_often(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = scan(data_dir)
    normal = [record.file_name for record in index.records if not len(record.labels)]
    decisions = tmp_path / "decisions.json"
    decisions.write_text(json.dumps({"version": 1, "review": "x", "decisions": [], "hard_normals": normal[:1]}))
    config = write_settings(tmp_path, data_dir)
    run_command("review", "-c", config, "--apply", decisions, "--out", tmp_path / "copy")
    assert "1 confirmed hard normals in hard_normals.txt; to draw them more often" in capsys.readouterr().out
    names = index.columns.file_names()
    others = [name for name in names if name not in normal[:2]]
    lists = {"train": normal[:2] + others[:-4], "val": others[-4:-2], "test": others[-2:]}
    for split, files in lists.items():
        (tmp_path / f"{split}.txt").write_text("".join(f"{name}\n" for name in files))
    settings = yaml.safe_load(config.read_text())
    settings["data"] |= {
        "data_dir": str(tmp_path / "copy"),
        "split_files": {split: str(tmp_path / f"{split}.txt") for split in lists},
    }
    config.write_text(yaml.safe_dump(settings))
    run_command("train", "-c", config, SHARE)
    log = (tmp_path / "logs/training.log").read_text()
    hard, others_drawn = re.search(r"no defect \d+ -> (\d+), of these hard normals 1 -> (\d+)", log).groups()[::-1]
    assert int(hard) == pytest.approx(0.6 * int(others_drawn), abs=1)
    assert (tmp_path / "logs/splits/hard_normals.txt").read_text() == f"{normal[0]}\n"

    (tmp_path / "copy/hard_normals.txt").write_text(f"{normal[1]}\n")
    capsys.readouterr()
    run_command("train", "-c", config, SHARE, "--resume", code=2)
    said = capsys.readouterr().err
    assert "got other images in hard_normals" in said
    keep = re.search(r"to keep them add (training\S+)", said).group(1).rstrip(";")
    run_command("train", "-c", config, SHARE, keep, "--resume")
    assert "nothing is left to do" in capsys.readouterr().out

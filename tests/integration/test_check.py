"""``anomdet check`` as a user runs it: every format, exit codes, a corrected copy, bad arguments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from anomdet.data.synth.generate import generate
from tests.integration.conftest import run_command


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return generate(tmp_path / "data", num_images=16, size_hw=(96, 96)).data_dir


@pytest.fixture
def faulty_dir(data_dir: Path) -> Path:
    (data_dir / "labels" / "part_00003.txt").write_text("1,10,10,20,20\n2 90 10 20 20\n", encoding="utf-8")
    return data_dir


def write_config(data_dir: Path, text: str = "") -> Path:
    path = data_dir.parent / "run.yaml"
    path.write_text(f"data:\n  data_dir: {data_dir}\n{text}", encoding="utf-8")
    return path


def test_good_data_is_clean(data_dir, capsys):
    run_command("check", "--data", data_dir, "--strict")
    assert capsys.readouterr().out.splitlines()[-1].startswith("16 images (5 normal), 16 label files, ")
    run_command("check", "--config", write_config(data_dir), "--decode")
    assert capsys.readouterr().out.splitlines()[-1].endswith("nothing found; training can start")


@pytest.mark.parametrize("style", ["text", "json", "sarif"])
def test_findings_in_every_format(faulty_dir, tmp_path, capsys, style):
    run_command("check", "--data", faulty_dir, "--format", style, code=1)
    shown = capsys.readouterr().out
    assert "label-separator" in shown and "box-reaches-out" in shown and "labels/part_00003.txt" in shown
    if style != "text":
        json.loads(shown)
    out = tmp_path / "findings"
    run_command("check", "--data", faulty_dir, "--format", style, "--out", out, code=1)
    assert out.read_text(encoding="utf-8") == shown
    assert capsys.readouterr().out.endswith(f"wrote:\n  {out}\n")


def test_strict_makes_warnings_errors(data_dir, capsys):
    (data_dir / "labels" / "part_00003.txt").write_text("2 90 10 20 20\n", encoding="utf-8")
    run_command("check", "--data", data_dir)
    assert "warning box-reaches-out" in capsys.readouterr().out
    run_command("check", "--data", data_dir, "--strict", code=1)
    assert "error box-reaches-out" in capsys.readouterr().out


def test_settings_count(data_dir, capsys):
    (data_dir / "labels" / "part_00003.txt").unlink()
    config = write_config(data_dir, "  classes: {1: scratch, 2: dent}\n")
    run_command("check", "-c", config, code=1)
    shown = capsys.readouterr().out
    assert "error image-without-label" in shown and "error class-unknown" in shown
    names = "data.classes={1: a, 2: b, 3: c, 4: d}"
    run_command("check", "-c", config, names, "data.missing_labels=normal")
    assert "note image-without-label" in capsys.readouterr().out


def test_fix_writes_a_copy_that_is_clean(faulty_dir, tmp_path, capsys):
    run_command("check", "--data", faulty_dir, "--fix", tmp_path / "corrected", code=1)
    shown = capsys.readouterr().out
    assert "the corrected copy has 16 images; clipped 1, rewritten 1 (see changes.csv)" in shown
    run_command("check", "--data", tmp_path / "corrected", "--strict")
    assert (tmp_path / "corrected/labels/part_00003.txt").read_text() == "1 10 10 20 20\n2 90 10 6 20\n"
    run_command("check", "--data", faulty_dir, "--fix", tmp_path / "corrected", code=2)
    assert "expected an empty or new folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--data: expected a data folder, or --config, got nothing; see: anomdet check --help"),
        (["."], "--data: expected a data folder, or --config, got nothing; write --data ."),
        (["--data", "nowhere"], "data: expected a folder that holds images/ and labels/, got nowhere, which is not"),
        (["--data", ".", "--format", "xml"], "--format: expected one of text, json, sarif, got 'xml'"),
        (["--data", ".", "training.epochs=3"], "expected settings with --config only"),
        (["--config", "nowhere.yaml"], "nowhere.yaml: expected a YAML file of settings, got no such file"),
    ],
)
def test_bad_arguments(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    run_command("check", *arguments, code=2)
    assert message in capsys.readouterr().err


def test_out_must_be_a_file(data_dir, capsys):
    run_command("check", "--data", data_dir, "--out", data_dir, code=2)
    assert "expected a file to write, got a folder" in capsys.readouterr().err

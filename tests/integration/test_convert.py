"""``anomdet convert`` as a user runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from anomdet.cli.main import main
from anomdet.data.index.scan import scan
from anomdet.data.synth.generate import generate
from tests.integration.conftest import ROOT, run_command

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's data, a few images of it."""
    folder = tmp_path_factory.mktemp("drawn") / "data"
    generate(folder, num_images=24)
    return folder


def test_there_and_back(drawn: Path, tmp_path: Path, capsys: Capture) -> None:
    classes = tmp_path / "run.yaml"
    classes.write_text("data: {classes: {1: scratch, 2: dent, 3: stain, 4: hole}}", encoding="utf-8")
    run_command("convert", drawn, "--from", "anomdet", "--to", "coco", "--out", tmp_path / "coco", "--classes", classes)
    told = capsys.readouterr().out
    assert told.startswith("24 images, ")
    assert "image files: 24 " in told
    assert "not carried over" not in told
    run_command("convert", tmp_path / "coco", "--from", "coco", "--to", "anomdet", "--out", tmp_path / "back")
    settings = yaml.safe_load(capsys.readouterr().out.split("for the settings:\n")[1].split("wrote:")[0])
    assert settings["data"] == {
        "data_dir": str(tmp_path / "back"),
        "classes": {1: "scratch", 2: "dent", 3: "stain", 4: "hole"},
    }
    before, after = scan(drawn), scan(settings["data"]["data_dir"], classes=settings["data"]["classes"])
    assert [record.file_name for record in after.records] == [record.file_name for record in before.records]
    for one, two in zip(before.records, after.records, strict=True):
        assert one.labels.class_nums.tolist() == two.labels.class_nums.tolist()
        assert one.labels.bboxes_xyxy == pytest.approx(two.labels.bboxes_xyxy, abs=1e-3)


def test_bad_input_ends_with_2_and_names_the_line(drawn: Path, tmp_path: Path, capsys: Capture) -> None:
    source = tmp_path / "source"
    (source / "images").mkdir(parents=True)
    (source / "labels").mkdir()
    (source / "images/a.png").write_bytes(next((drawn / "images").glob("*")).read_bytes())
    (source / "labels/a.txt").write_text("1 2 3 4\n")
    with pytest.raises(SystemExit) as ended:
        main(["convert", str(source), "--from", "anomdet", "--to", "yolo", "--out", str(tmp_path / "out")])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith(
        "error: Nothing was written; the source has 1 problem:\n  labels/a.txt:1: expected 5 numbers"
    )
    assert not (tmp_path / "out").exists()


def test_the_format_is_recognised(drawn: Path, tmp_path: Path, capsys: Capture) -> None:
    run_command("convert", drawn, "--to", "yolo", "--out", tmp_path / "yolo")
    assert capsys.readouterr().out.startswith("recognised as anomdet (labels/part_")
    run_command("convert", tmp_path / "yolo", "--to", "coco", "--out", tmp_path / "coco")
    assert capsys.readouterr().out.startswith("recognised as yolo (data.yaml)\n24 images, 8 of them normal")


@pytest.mark.parametrize("missing", ["--to", "--out", "src"])
def test_missing_options(missing: str, drawn: Path, tmp_path: Path, capsys: Capture) -> None:
    given = {"--from": "anomdet", "--to": "yolo", "--out": str(tmp_path / "out")}
    words = [word for option in given if option != missing for word in (option, given[option])]
    words += [str(drawn)] if missing != "src" else []
    with pytest.raises(SystemExit) as ended:
        main(["convert", *words])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert missing in told
    assert "Traceback" not in told


def test_no_torch(drawn: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom anomdet.cli.main import main\ntry:\n    main(sys.argv[1:])\n"
        "except SystemExit:\n    print([name for name in ('torch', 'mmengine', 'mmdet') if name in sys.modules])"
    )
    words = ["convert", str(drawn), "--from", "anomdet", "--to", "labelstudio", "--out", str(tmp_path / "out")]
    shown = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert shown.stdout.splitlines()[-1] == "[]", shown.stderr

"""``anomdet evaluate --leave-class-out``: models that never saw a class, and what becomes of its parts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from anomdet.data.synth.generate import generate
from anomdet.documents import read_metrics
from tests.integration.conftest import named_files, run_command, write_settings

NAMES = {1: "scratch", 2: "dent"}
CHOSEN = 2


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and settings."""
    folder = tmp_path_factory.mktemp("left_out")
    generate(folder / "data", num_images=60, normal_share=0.6, size_hw=(96, 96))
    for path in (folder / "data/labels").iterdir():  # two classes: a run for each
        rows = [line.split() for line in path.read_text().splitlines()]
        path.write_text("".join(f"{1 + int(num) % 2} {' '.join(box)}\n" for num, *box in rows))
    config = write_settings(folder, folder / "data", epochs=1)
    settings = yaml.safe_load(config.read_text())
    settings["data"]["classes"] = NAMES
    settings["anomaly"] = {"image_size": 64, "memory": 100, "overkill": 0.1}
    config.write_text(yaml.safe_dump(settings))
    return folder


@pytest.fixture(scope="module")
def one_left_out(data: Path) -> Path:
    """One class is done."""
    run_command("evaluate", "--config", data / "run.yaml", "--leave-class-out", NAMES[CHOSEN], "--out", data / "out")
    return data


def labels_of(data: Path, names: list[str]) -> list[set[int]]:
    """The class numbers in the label files of images."""
    files = [(data / "data/labels" / name).with_suffix(".txt") for name in names]
    return [{int(line.split()[0]) for line in path.read_text().splitlines()} for path in files]


def test_no_part_with_the_class_is_trained_on_and_all_of_them_are_tested(one_left_out: Path) -> None:
    lists = one_left_out / f"out/class_{CHOSEN}/splits"
    names = {split: (lists / f"{split}.txt").read_text().split() for split in ("train", "val", "test")}
    seen = labels_of(one_left_out, names["train"] + names["val"])
    assert {1} == set().union(*seen), "the other class is trained on"
    everything = [path.name for path in (one_left_out / "data/images").iterdir()]
    with_class = {
        name for name, nums in zip(everything, labels_of(one_left_out, everything), strict=True) if CHOSEN in nums
    }
    assert with_class and with_class <= set(names["test"])


def test_the_row_counts_what_the_evaluation_says_of_each_part(one_left_out: Path) -> None:
    table = json.loads((one_left_out / "out/leave_class_out.json").read_text())
    (row,) = table["classes"]
    assert (row["class"], row["class_num"], table["total"]) == (NAMES[CHOSEN], CHOSEN, None)
    metrics = read_metrics(one_left_out / f"out/class_{CHOSEN}/run/evaluation")
    assert metrics["unseen"]["rejected_per_class"][NAMES[CHOSEN]]["num_parts"] == row["num_parts"] > 0
    rejected = {way: share["count"] for way, share in row["rejected"].items()}
    assert rejected["fused"] >= max(rejected["detector"], rejected["normal_only"])
    for share in (*row["rejected"].values(), *row["overkill"].values()):
        low, high = share["interval"]
        assert low <= share["share"] == share["count"] / share["of"] <= high
    assert (one_left_out / "out/leave_class_out.html").stat().st_size > 1000


def test_a_class_that_is_done_is_not_repeated_and_the_rest_follow(
    one_left_out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = next((one_left_out / f"out/class_{CHOSEN}").rglob("best_model.pth"))
    before = checkpoint.stat().st_mtime_ns
    run_command(
        "evaluate", "--config", one_left_out / "run.yaml", "--leave-class-out", "all", "--out", one_left_out / "out"
    )
    printed = capsys.readouterr().out
    assert "leave one class out: 1 run (scratch); 1 done already; planned: about" in printed
    assert checkpoint.stat().st_mtime_ns == before
    assert {path.name for path in named_files(printed)} == {"leave_class_out.json", "leave_class_out.html"}
    table = json.loads((one_left_out / "out/leave_class_out.json").read_text())
    rows, total = table["classes"], table["total"]
    assert [row["class"] for row in rows] == list(NAMES.values())
    assert total["num_parts"] == sum(row["num_parts"] for row in rows)
    assert total["rejected"]["fused"]["count"] == sum(row["rejected"]["fused"]["count"] for row in rows)
    assert total["overkill"]["fused"]["of"] == rows[0]["num_good"], "the same good parts in all runs"


def test_other_settings_are_not_mixed_with_what_is_done(one_left_out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["evaluate", "--config", one_left_out / "run.yaml", "anomaly.overkill=0.2", "--out", one_left_out / "out"]
    run_command(*command, "--leave-class-out", NAMES[CHOSEN], code=2)
    assert "expected a class that was done with these settings and data, got others" in capsys.readouterr().err


def test_an_interrupted_run_is_resumed(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after a kill in the middle: the last checkpoint is there, the row is not."""
    from anomdet.workflows import leave_class_out as workflow

    command = ["evaluate", "--config", data / "run.yaml", "--leave-class-out", "1", "--out", tmp_path]
    with monkeypatch.context() as patched:
        patched.setattr(workflow, "evaluate", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt()))
        run_command(*command, code=130)
    assert not (tmp_path / "leave_class_out.json").exists() and not (tmp_path / "class_1/row.json").exists()
    capsys.readouterr()
    run_command(*command)
    assert "images; resumed" in capsys.readouterr().out
    assert json.loads((tmp_path / "leave_class_out.json").read_text())["classes"][0]["class_num"] == 1


def test_a_run_that_was_begun_with_other_settings_is_not_resumed(
    one_left_out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its row would be of a detector that learned half by these settings and half by those."""
    out = tmp_path / "out"
    shutil.copytree(one_left_out / "out", out)
    begun = out / f"class_{CHOSEN}"
    (row,) = begun.glob("*.json")
    row.unlink()  # interrupted before its end
    before = (begun / "run/last.pth").read_bytes()
    command = ("evaluate", "--config", one_left_out / "run.yaml", "--leave-class-out", NAMES[CHOSEN], "--out", out)
    run_command(*command, "training.learning_rate=0.5", code=2)
    said = (
        f"{begun / 'run'}: expected a run that was begun with these settings and data, got others; name another --out"
    )
    assert said in capsys.readouterr().err
    assert (begun / "run/last.pth").read_bytes() == before

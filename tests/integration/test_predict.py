"""The real command on a trained checkpoint: verdicts, outputs, exit codes, kills, many processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.integration.conftest import ROOT, Trained, run_command
from tests.unit.inference.fake_detector import image_bytes

THRESHOLD = 0.05


@pytest.fixture
def model(trained: Trained) -> Path:
    """The checkpoint alone, as on the machine of the line."""
    return trained.checkpoint_dir / "best_model.pth"


@pytest.fixture
def images(data_dir: Path) -> Path:
    return data_dir / "images"


def documents(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def assert_same_rows(some: list[list[float]], others: list[list[float]]) -> None:
    """Each row of score, class and box has its like among the others; those of equal scores may change places."""
    one, other = np.array(some), np.array(others)
    assert one.shape == other.shape
    apart = np.abs(one[:, None] - other[None]).max(axis=2)
    assert max(apart.min(axis=0).max(), apart.min(axis=1).max()) < 1e-4


def start(*arguments: str | Path, cwd: Path, **options: Any) -> subprocess.Popen[bytes]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "anomdet.cli.main", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


def test_every_image_has_a_verdict(
    model: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run_command("predict", model, images, "--out", out, "--threshold", THRESHOLD, "--save", "json,csv,coco,labels")
    found = documents(out / "results.jsonl")
    names = sorted(path.relative_to(images).as_posix() for path in images.rglob("*") if path.is_file())
    assert sorted(document["key"] for document in found) == names
    shown = capsys.readouterr()
    num_rejected = sum(document["verdict"] == "reject" for document in found)
    assert f"images: {len(names) - num_rejected} accept, {num_rejected} reject" in shown.out
    assert f"  {out / 'results.csv'}" in shown.out
    assert shown.err == ""
    for document in found:
        counted = [row for row in document["detections"] if row["score"] >= THRESHOLD]
        assert (document["verdict"] == "reject") == bool(counted)
        assert len(document["model_sha256"]) == 64
        assert document["times"].keys() == {"read", "prepare", "network", "finish"}


def test_it_finds_what_evaluate_finds(model: Path, trained: Trained, tmp_path: Path) -> None:
    """The boxes and scores of evaluate's predictions.json, from the checkpoint alone."""
    evaluation = trained.log_dir.parent / "for_predict"
    run_command("evaluate", "-c", trained.config, "--out", evaluation)
    truth = json.loads((evaluation / "ground_truth.json").read_text())
    name_of = {image["id"]: image["file_name"] for image in truth["images"]}
    expected: dict[str, list[list[float]]] = {name: [] for name in name_of.values()}
    for row in json.loads((evaluation / "predictions.json").read_text()):
        expected[name_of[row["image_id"]]].append([row["score"], row["category_id"], *row["bbox"]])
    data = json.loads((trained.log_dir / "splits" / "splits.json").read_text())["data_dir"]
    listed = tmp_path / "test.txt"
    listed.write_text("".join(f"{Path(data) / 'images' / name}\n" for name in expected))
    out = tmp_path / "out"
    run_command("predict", model, listed, "--out", out, "--min-score", "0", "--batch", "4")
    found = documents(out / "results.jsonl")
    assert len(found) == len(expected) > 0
    for document in found:
        rows = [[row["score"], row["class_num"], *row["bbox_xywh"]] for row in document["detections"]]
        wanted = expected[Path(document["image"]).relative_to(Path(data) / "images").as_posix()]
        assert_same_rows(rows, wanted)
    assert sum(map(len, expected.values())) > 100


def test_lines_on_stdout_from_names_on_stdin(model: Path, images: Path, tmp_path: Path) -> None:
    names = [str(path) for path in sorted(images.iterdir())[:3]]
    process = start("predict", model, "-", "--out", "-", cwd=tmp_path, stdin=subprocess.PIPE)
    told, errors = process.communicate("\n".join(names).encode(), timeout=120)
    assert process.returncode == 0, errors
    assert [json.loads(line)["image"] for line in told.decode().splitlines()] == names
    assert b"images: " in errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("arguments", "code"), [((), 3), (("--fail-on", "reject"), 3)])
def test_an_unreadable_image_is_code_3(
    model: Path, images: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    shutil.copy(next(images.iterdir()), folder)
    (folder / "cut.png").write_bytes(image_bytes(0.5)[:-9])
    run_command("predict", model, folder, "--out", tmp_path / "out", "--save", "labels,json", *arguments, code=code)
    assert "cut.png: " in capsys.readouterr().out
    found = {document["key"]: document["verdict"] for document in documents(tmp_path / "out" / "results.jsonl")}
    assert found["cut.png"] == "failed"
    assert len(list((tmp_path / "out" / "labels").iterdir())) == 1


def test_a_reject_is_code_1_if_asked_for(model: Path, images: Path, tmp_path: Path) -> None:
    arguments = ("predict", model, images, "--threshold", "0", "--out")
    run_command(*arguments, tmp_path / "a", code=0)
    run_command(*arguments, tmp_path / "b", "--fail-on", "reject", code=1)


@pytest.mark.parametrize(("signal_number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_ended_job_is_continued(model: Path, images: Path, tmp_path: Path, signal_number: int, code: int) -> None:
    """Names come through a pipe that stays open, so that the job is in its middle when the signal comes."""
    names = [str(path) for path in sorted(images.iterdir())]
    out = tmp_path / "out"
    process = start("predict", model, "-", "--out", out, "--batch", "1", cwd=tmp_path, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write("".join(f"{name}\n" for name in names[:5]).encode())
    process.stdin.flush()
    results, end = out / "results.jsonl", time.monotonic() + 100
    while not (results.exists() and results.read_bytes().count(b"\n") == 5):
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal_number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert b"Traceback" not in errors
    if signal_number != signal.SIGKILL:
        assert b"interrupted; 5 images are done in" in errors
        assert b"--skip-done" in errors
    before = documents(results)
    listed = tmp_path / "all.txt"
    listed.write_text("\n".join(names))
    run_command("predict", model, listed, "--out", out, "--skip-done")
    after = documents(results)
    assert [document["image"] for document in after] == names
    assert after[:5] == before  # with their times: they were not judged again


def test_torchrun_shares_the_images_out(model: Path, images: Path, tmp_path: Path) -> None:
    """One file at the end, in input order, as one process writes it."""
    out = tmp_path / "out"
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "anomdet.cli.main"]
    job = ["predict", str(model), str(images), "--out", str(out), "--save", "json,csv,labels"]

    def judge(*more: str) -> list[dict[str, Any]]:
        process = subprocess.run(
            [sys.executable, *command, *job, *more],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert process.returncode == 0, process.stderr + process.stdout
        return documents(out / "results.jsonl")

    assert judge() == judge("--skip-done")  # with their times: no process judged anything again
    alone = tmp_path / "alone"
    run_command("predict", model, images, "--out", alone, "--save", "json,csv,labels")
    for name in ("results.jsonl",):
        shared, straight = (
            [{**document, "times": None} for document in documents(folder / name)] for folder in (out, alone)
        )
        assert [document["key"] for document in shared] == [document["key"] for document in straight]
        assert [document["verdict"] for document in shared] == [document["verdict"] for document in straight]
    assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in alone.iterdir())
    assert len(list((out / "labels").iterdir())) == len(list(images.iterdir()))


def test_watch_ends_with_what_has_arrived(model: Path, images: Path, tmp_path: Path) -> None:
    folder = tmp_path / "arriving"
    folder.mkdir()
    for path in sorted(images.iterdir())[:3]:
        shutil.copy(path, folder)
    run_command("predict", model, folder, "--watch", "--idle", "0.5", "--out", tmp_path / "out")
    run_command("predict", model, folder, "--watch", "--idle", "0.5", "--out", tmp_path / "out")
    assert len(documents(tmp_path / "out" / "results.jsonl")) == 3


def test_a_camera_that_refuses_is_one_line_without_what_the_libraries_say(tmp_path: Path) -> None:
    """OpenCV and FFmpeg print lines of their own, from C: so a process of its own, and --debug for who needs them."""
    (tmp_path / "model.pth").touch()  # it is not opened before the sources are
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/live"
    said = {}
    for debug in ([], ["--debug"]):
        process = start("predict", "model.pth", address, *debug, cwd=tmp_path)
        said[bool(debug)] = process.communicate(timeout=100)[1].decode()
        assert process.returncode == 2
    expected = f"error: SOURCE: expected a camera that answers within 10 s, got '{address}'; check address, password "
    expected += "and network\n"
    assert said[False] == expected
    assert expected in said[True] and len(said[True].splitlines()) > 1
    assert [path.name for path in tmp_path.iterdir()] == ["model.pth"]

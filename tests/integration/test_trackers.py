"""MLflow and Weights & Biases offline, each read back by its own package; skipped where that is not installed."""

from __future__ import annotations

import importlib.util
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from anomdet.engine.checkpoint import load_checkpoint
from tests.integration.conftest import ROOT, run_command, write_settings

pytestmark = pytest.mark.slow
STEPS = (4, 8, 12)  # the ends of three epochs


def needs(package: str) -> pytest.MarkDecorator:
    """By its metadata: importing it takes seconds."""
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is not installed")


def train_tracked(folder: Path, data_dir: Path, tracker: str) -> Path:
    """Three epochs; returns log_dir."""
    run_command("train", "-c", write_settings(folder, data_dir, epochs=3), f"logging.trackers=[{tracker}]")
    assert load_checkpoint(folder / "checkpoints" / "last.pth")["meta"]["iter"] == STEPS[-1]
    return folder / "logs"


@needs("mlflow")
@needs("sqlalchemy")
def test_mlflow_writes_into_a_database_below_log_dir(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.tracking import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    log_dir = train_tracked(tmp_path / "run", data_dir, "mlflow")
    assert "MLFLOW_TRACKING_URI" not in os.environ
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    client = MlflowClient(f"sqlite:///{log_dir / 'mlflow' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("anomdet")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["optim_wrapper.optimizer.lr"] == "0.001"
    assert [one.step for one in client.get_metric_history(run.info.run_id, "val/mAP")] == list(STEPS)
    assert [one.step for one in client.get_metric_history(run.info.run_id, "train/loss")] == [10]
    assert Path(run.info.artifact_uri.removeprefix("file://"), "config.py").is_file()


@needs("mlflow")
def test_mlflow_that_cannot_begin_is_told(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://here")
    run_command("train", "-c", write_settings(tmp_path, data_dir), "logging.trackers=[mlflow]", code=2)
    error = capsys.readouterr().err
    assert "error: logging.trackers: mlflow: expected a run that can begin, got " in error
    assert not (tmp_path / "checkpoints" / "last.pth").exists()


@needs("wandb")
def test_wandb_writes_below_log_dir_and_takes_no_code(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "private.py").write_text("secret = 1\n", encoding="utf-8")
    log_dir = train_tracked(tmp_path / "run", data_dir, "wandb")
    assert {path.name for path in tmp_path.iterdir()} == {"run", "private.py"}
    (record,) = (log_dir / "wandb").glob("offline-run-*/*.wandb")
    steps = wandb_steps(record)
    assert steps["val/mAP"] == list(STEPS)
    assert steps["train/loss"] == [10]
    assert b"private.py" not in record.read_bytes()


def wandb_steps(record: Path) -> dict[str, list[int]]:
    """Each figure of a run's file to the steps at which it was recorded."""
    from wandb.proto.wandb_internal_pb2 import Record

    steps: dict[str, list[int]] = {}
    for data in leveldb_records(record.read_bytes()):
        one = Record()
        one.ParseFromString(data)
        for item in one.history.item:
            steps.setdefault(item.key or "/".join(item.nested_key), []).append(one.history.step.num)
    return steps


def leveldb_records(content: bytes) -> Iterator[bytes]:
    """The records of a file in LevelDB's log format, after wandb's header of 7 bytes."""
    block, at, parts = 32768, 7, b""
    while at + 7 <= len(content):
        if block - at % block < 7:  # no room for a header: padding
            at += block - at % block
            continue
        _, length, kind = struct.unpack("<IHB", content[at : at + 7])
        parts += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield parts
            parts = b""


@needs("wandb")
def test_wandb_without_a_key_is_told_of_the_way_offline(data_dir: Path, tmp_path: Path) -> None:
    config = write_settings(tmp_path, data_dir)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    command = [sys.executable, str(ROOT / "train.py"), "--config", str(config), "logging.trackers=[wandb]"]
    environment = {**kept, "NETRC": str(tmp_path / "none"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "error: logging.trackers: wandb: expected a run that can begin, got No API key configured" in done.stderr
    assert "WANDB_MODE=offline" in done.stderr
    assert "Traceback" not in done.stderr

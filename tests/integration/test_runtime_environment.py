"""``pip install anomdet[runtime]`` in an environment of its own: all that needs no PyTorch works without it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.integration.conftest import ROOT, Trained, run_command

pytestmark = pytest.mark.slow
# The whole of what a production machine must not carry, by the name of the distribution.
ABSENT = {
    "torch",
    "torchvision",
    "onedl-mmengine",
    "onedl-mmcv",
    "onedl-mmdetection",
    "albumentations",
    "onnx",
    "onnxscript",
    "openvino",
    "timm",
    "opencv-python",
    "matplotlib",
    "pandas",
}
SOURCES = ("anomdet", "configs", "requirements", "setup.py", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of its programs."""
    folder = tmp_path_factory.mktemp("runtime")
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source / name)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True, timeout=300)
    programs = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    install = [programs / "python", "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt"]
    done = subprocess.run([*install, f"{source}[runtime,serve]"], capture_output=True, text=True, timeout=900)
    if done.returncode and re.search(r"No matching distribution|connection|ConnectTimeout", done.stderr):
        pytest.skip(f"no package index here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return programs


@pytest.fixture(scope="module")
def exported(trained: Trained, data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnxruntime")
    folder = tmp_path_factory.mktemp("export") / "exported"
    run_command("export", trained.checkpoint_dir / "best_model.pth", "--out", folder, "--images", data_dir / "images")
    return folder


def run(programs: Path, cwd: Path, *arguments: str | Path) -> str:
    """A command, without anything of this process's environment."""
    command = [programs / "anomdet", *arguments]
    done = subprocess.run(command, cwd=cwd, env=clean(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def clean() -> dict[str, str]:
    """The environment of a process that finds nothing of this checkout."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return {**kept, "OMP_NUM_THREADS": "1"}


def test_it_holds_no_training_packages(environment: Path) -> None:
    listed = subprocess.run(
        [environment / "python", "-m", "pip", "list", "--format", "json"], capture_output=True, text=True, check=True
    )
    names = {package["name"].lower() for package in json.loads(listed.stdout)}
    assert names >= {"anomdet", "numpy", "opencv-python-headless", "onnxruntime", "fastapi"}
    assert not names & ABSENT


def test_predict_judges(environment: Path, exported: Path, data_dir: Path, tmp_path: Path) -> None:
    run(environment, tmp_path, "predict", exported, data_dir / "images", "--out", tmp_path / "out")
    assert len((tmp_path / "out" / "results.jsonl").read_text(encoding="utf-8").splitlines()) == 24


def test_files_are_evaluated_and_reported(environment: Path, trained: Trained, tmp_path: Path) -> None:
    own = tmp_path / "own"
    run_command("evaluate", "-c", trained.config, "--out", own, "evaluation.resamples=0")
    files = ["--predictions", own / "predictions.json", "--ground-truth", own / "ground_truth.json"]
    run(environment, tmp_path, "evaluate", *files, "--out", tmp_path / "e", "evaluation.resamples=20")
    measured = [json.loads((folder / "metrics.json").read_text(encoding="utf-8")) for folder in (own, tmp_path / "e")]
    assert measured[0]["mAP"] == measured[1]["mAP"]
    (tmp_path / "e" / "report.html").unlink()
    run(environment, tmp_path, "report", tmp_path / "e")
    assert (tmp_path / "e" / "report.html").is_file()


def test_it_serves(environment: Path, exported: Path, data_dir: Path) -> None:
    command = [environment / "anomdet", "serve", exported, "--port", "0"]
    with subprocess.Popen(command, env=clean(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            said = ""
            while not (found := re.search(r"listening on (http://\S+)", said)):
                line = process.stdout.readline()
                assert line, said
                said += line
            image = sorted((data_dir / "images").iterdir())[0].read_bytes()
            kind = {"Content-Type": "image/png"}
            request = urllib.request.Request(f"{found[1]}/predict", image, kind)
            with urllib.request.urlopen(request, timeout=60) as answer:
                assert json.load(answer)["verdict"] in ("accept", "reject")
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()

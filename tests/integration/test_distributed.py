"""Two processes under torchrun, on a CPU with gloo: one run's files, and a resume."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from anomdet.data.splits.lists import SPLITS
from anomdet.data.synth.generate import generate
from anomdet.engine.checkpoint import load_checkpoint
from tests.integration.conftest import ROOT, Trained, named_files, run_command, write_settings


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def start(*command: str | Path, **variables: str) -> subprocess.Popen[str]:
    """A launcher, with this Python first on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PATH": path, **variables}
    arguments = [str(part) for part in command]
    pipe = subprocess.PIPE
    return subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)


def finished(job: subprocess.Popen[str], code: int = 0) -> tuple[str, str]:
    """What a launcher printed: stdout, stderr."""
    try:
        stdout, stderr = job.communicate(timeout=300)
    finally:
        job.terminate()
    assert job.returncode == code, stderr + stdout
    return stdout, stderr


def run_torchrun(config: Path, *arguments: str) -> str:
    """``tools/dist_train.sh CONFIG 2 ...``, as a user runs it; returns what it printed."""
    script = ROOT / "tools" / "dist_train.sh"
    return finished(start("bash", script, config, "2", *arguments))[0]


def test_two_processes_leave_one_run_and_resume(data_dir: Path, tmp_path: Path) -> None:
    config = write_settings(tmp_path, data_dir, epochs=1, ema=True)
    draw = "logging.visualize={enabled: true, images: 2, interval: 1}"
    output = run_torchrun(config, "--cfg-options", draw)
    assert output.count("wrote:") == output.count("epoch 1/1") == 1
    assert all(path.is_file() for path in named_files(output))
    last = load_checkpoint(tmp_path / "checkpoints" / "last.pth")
    assert (last["meta"]["epoch"], last["meta"]["iter"]) == (1, 2)  # 16 images, 4 in a step of each of two processes
    assert not any(name.startswith("module.") for name in last["state_dict"])
    folder = tmp_path / "logs" / "visualization"
    before = {path: path.stat().st_mtime_ns for path in (folder / "epoch_1").iterdir()}
    output = run_torchrun(config, "--resume", "--cfg-options", "training.epochs=2", draw)
    assert "epoch 2/2" in output and "epoch 1/2" not in output
    assert {path: path.stat().st_mtime_ns for path in (folder / "epoch_1").iterdir()} == before
    assert before and (folder / "epoch_2" / "strip_column.jpg").is_file()
    assert load_checkpoint(tmp_path / "checkpoints" / "last.pth")["meta"]["iter"] == 4


def test_a_validation_of_unequal_parts_waits_for_nobody(data_dir: Path, tmp_path: Path) -> None:
    """Five images in batches of two: two batches for one process, one for the other, whose loss must not wait."""
    config = write_settings(tmp_path, data_dir, epochs=1, batch_size=2)
    names = sorted(path.name for path in (data_dir / "images").iterdir())
    settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    settings["data"]["split_files"] = {}
    for split, part in (("train", names[:8]), ("val", names[8:13]), ("test", names[13:])):
        (tmp_path / f"{split}.txt").write_text("\n".join(part), encoding="utf-8")
        settings["data"]["split_files"][split] = str(tmp_path / f"{split}.txt")
    settings["distributed"] = {"timeout_minutes": 1}
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    assert "val_loss" in run_torchrun(config)


def test_two_agents_of_one_process_each(data_dir: Path, tmp_path: Path) -> None:
    """``tools/dist_train.sh`` on two machines, which are this one twice; only the first of them speaks and writes.

    Then the second has a disk of its own, which has nothing to resume from.
    """
    config = write_settings(tmp_path, data_dir, epochs=1)
    port, script = free_port(), ROOT / "tools" / "dist_train.sh"
    address = {"NNODES": "2", "MASTER_ADDR": "127.0.0.1", "PORT": port}
    jobs = [start("bash", script, config, "1", **address, NODE_RANK=str(rank)) for rank in range(2)]
    (first, _), second = finished(jobs[0]), finished(jobs[1])
    assert "2 processes: 8 images a step" in first and first.count("wrote:") == 1
    # torchrun's agents meet once more at their end; where the first, which keeps the meeting point, leaves too early,
    # the second one's agent logs that as an error of its own and ends with 0.
    assert not second[0] and (not second[1] or "Error waiting on exit barrier" in second[1]), second
    before = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    address["PORT"], own = free_port(), ("training.epochs=2", f"logging.checkpoint_dir={tmp_path / 'own'}")
    resume = ("bash", script, config, "1", "--resume", "--cfg-options")
    jobs = [start(*resume, *own[: 1 + rank], **address, NODE_RANK=str(rank)) for rank in range(2)]
    outputs = [stream for job in jobs for stream in finished(job, code=1)]
    told = "\n".join(outputs)
    assert told.count("error: --resume: last.pth: expected the same for all processes") == 1, told
    assert f"{tmp_path / 'checkpoints' / 'last.pth'}): epoch 1, iteration 2, weights " in told
    assert f"{tmp_path / 'own' / 'last.pth'}): nothing there" in told
    assert before == {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}


def test_the_old_launcher_and_its_argument(data_dir: Path, tmp_path: Path) -> None:
    """``python -m torch.distributed.launch`` gives the script ``--local-rank``; the settings are wrong: one message."""
    config = write_settings(tmp_path, data_dir, epochs=1)
    launcher = ("-m", "torch.distributed.launch", "--standalone", "--nproc_per_node=2")
    wrong = start(sys.executable, *launcher, "train.py", "--config", config, "training.epochs=0")
    _, told = finished(wrong, code=1)
    assert told.count("training.epochs: expected") == 1 and "No such option" not in told


@pytest.mark.parametrize(("processes", "split"), [(2, "val"), (3, "train")])
def test_many_processes_measure_what_one_does(trained: Trained, tmp_path: Path, processes: int, split: str) -> None:
    """To the last digit; by batches of three of which the last is not full, with the threshold chosen anew."""
    best = trained.checkpoint_dir / "best_model.pth"
    own = ("training.batch_size=3", "metrics.score_threshold=null", "evaluation.report=false", "evaluation.resamples=9")
    common = ("--config", trained.config, "--checkpoint", best, "--split", split)
    log_dirs = [f"logging.log_dir={tmp_path / name}" for name in ("one", "many")]
    run_command("evaluate", *common, *own, log_dirs[0])
    launcher = ("-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}")
    finished(start(sys.executable, *launcher, "evaluate.py", *common, *own, log_dirs[1]))
    one, many = tmp_path / "one" / "evaluation", tmp_path / "many" / "evaluation"
    for name in ("predictions.json", "per_image.csv", "details.json"):
        assert (one / name).read_bytes() == (many / name).read_bytes(), name
    metrics = [json.loads((folder / "metrics.json").read_text(encoding="utf-8")) for folder in (one, many)]
    for each in metrics:
        each["about"] = {**each["about"], "created": None, "settings": None, "speed": None}
    assert metrics[0] == metrics[1]
    assert metrics[0]["num_images"] % 3 and len(json.loads((one / "predictions.json").read_bytes())) > 100


def test_processes_hash_the_images_once_and_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first, and finds its hashes in the cache; one of them speaks."""
    monkeypatch.setenv("ANOMDET_CACHE_DIR", str(tmp_path / "cache"))
    twin_dir = generate(tmp_path / "data", num_images=16, size_hw=(128, 128)).data_dir
    for folder in ("images", "labels"):
        for path in sorted((twin_dir / folder).iterdir())[:8]:
            shutil.copy(path, path.with_stem(f"{path.stem}_b"))
    config = write_settings(tmp_path, twin_dir)
    output = run_torchrun(config, "--cfg-options", "data.split.on_leak=group")
    assert output.count("8 pairs of near-duplicates joined: 16 groups of images") == 1
    assert len(list((tmp_path / "cache").glob("*.leaks.npz"))) == 1
    names = [line for name in SPLITS for line in (tmp_path / "logs" / "splits" / f"{name}.txt").read_text().split()]
    assert len(names) == len(set(names)) == 24


def start_rank(rank: int, port: int | str, *arguments: str | Path) -> subprocess.Popen[str]:
    """One of two processes, started by hand and not by a launcher."""
    variables = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    return start(sys.executable, "train.py", *arguments, **variables, MASTER_PORT=str(port))


def test_two_processes_with_different_settings_do_not_train(data_dir: Path, tmp_path: Path) -> None:
    config, port = write_settings(tmp_path, data_dir), free_port()
    jobs = [start_rank(rank, port, "-c", config, f"training.learning_rate=0.0{1 + rank}") for rank in range(2)]
    told = "".join(text for job in jobs for text in finished(job, code=2))
    assert told.count("The processes of this run have different settings") == 2, told  # each says so by itself
    assert "optim_wrapper.optimizer.lr: expected the same value in all processes, got 0.01 (rank 0" in told
    assert "Traceback" not in told and not (tmp_path / "checkpoints" / "last.pth").exists()


@pytest.mark.parametrize("fault", ["port in use", "missing"])
def test_a_start_that_cannot_join_says_so_in_one_line(fault: str, data_dir: Path, tmp_path: Path) -> None:
    """Without the frames of C++ that PyTorch prints before."""
    config = write_settings(tmp_path, data_dir)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        if fault == "missing":
            taken.close()
        out, told = finished(start_rank(0, port, "-c", config, "distributed.timeout_minutes=0.05"), code=2)
    wanted = "a free port, got one in use" if fault == "port in use" else "2 processes that find each other"
    assert told.startswith(f"error: rank 0: 127.0.0.1:{port}: expected {wanted}"), told
    assert told.count("\n") == 1 and not out

"""MMDetection's command lines: what they become for our commands."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from anomdet.cli import mmdet_tools as mmdet_manners
from anomdet.config.load import load_settings
from anomdet.ranks import without_local_rank
from anomdet.workflows import browse, evaluate, mmdet_options, train, visualize

ROOT = Path(__file__).parents[3]
CHECKPOINT = "best_model.pth"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What our commands are called with."""
    seen: list[tuple[Any, ...]] = []

    def record(result: Any) -> Any:
        return lambda *args, **kwargs: seen.append((*args, kwargs)) or result

    result = evaluate.Evaluation("table", {}, [], [Path("metrics.json")])
    monkeypatch.setattr(
        train, "train", record(train.TrainResult(Path("best_model.pth"), Path("last.pth"), Path("w"), best_epoch=1))
    )
    monkeypatch.setattr(evaluate, "evaluate", record(result))
    monkeypatch.setattr(visualize, "visualize", record([Path("sheet.jpg")]))
    monkeypatch.setattr(browse, "browse", record([Path("sheet.jpg")]))
    return seen


def run(tool: Any, *arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        tool(list(arguments))
    assert ended.value.code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["run.yaml", "--work-dir", "w", "--amp", "--resume", "--cfg-options", "training.epochs=3",
         "data.classes={1: a}"],
        ["--cfg-options", "training.epochs=3", "data.classes={1: a}", "run.yaml", "--amp", "--work-dir=w", "--resume"],
        ["--resume", "--amp", "--work-dir", "w", "run.yaml", "--cfg-options", "training.epochs=3",
         "--cfg-options", "data.classes={1: a}"],
    ],
)  # fmt: skip
def test_train_in_any_order(
    arguments: list[str], calls: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    run(mmdet_manners.train, *arguments)
    overrides = ["training.epochs=3", "data.classes={1: a}"]
    overrides += ["logging.log_dir='w'", "logging.checkpoint_dir='w'", "training.use_amp=true"]
    assert calls[0][:2] == ("run.yaml", overrides)
    assert calls[0][2]["resume"]
    assert calls[0][2]["resume_hint"].startswith("anomdet train --config run.yaml")
    shown = capsys.readouterr().out.splitlines()
    assert shown[:-1] == ["wrote:", "  best_model.pth", "  last.pth", "  w/training.log"]
    assert shlex.split(shown[-1]) == ["next:", "anomdet", "evaluate", "--config", "run.yaml", *overrides]


def test_a_python_config_has_its_own_keys(calls: list[tuple[Any, ...]]) -> None:
    run(mmdet_manners.train, "run.py", "--work-dir", "it's", "--amp", "--cfg-options", "model.neck.in_channels=1,2")
    assert calls[0][1] == [
        "model.neck.in_channels=[1,2]",
        "work_dir='it''s'",
        "default_hooks.checkpoint.out_dir='it''s'",
        "optim_wrapper.type=AmpOptimWrapper",
    ]


def test_test_draws_only_when_asked(calls: list[tuple[Any, ...]]) -> None:
    common = {"split": "val", "checkpoint": CHECKPOINT}
    run(mmdet_manners.test, "run.yaml", CHECKPOINT, "--split", "val", "--out", "o")
    assert calls == [("run.yaml", [], {**common, "out": "o"})]
    run(mmdet_manners.test, "run.yaml", CHECKPOINT, "--split", "val", "--out", "o", "--show-dir", "s")
    assert calls[1:] == [("run.yaml", [], {**common, "out": "o"}), ("run.yaml", [], {**common, "out": "s"})]


def test_the_options_of_mmdetections_tools(calls: list[tuple[Any, ...]]) -> None:
    run(mmdet_manners.train, "run.yaml", "--resume", "there/last.pth")
    assert calls[-1][1] == ["logging.checkpoint_dir='there'"]
    assert calls[-1][2]["resume"] is True
    run(mmdet_manners.browse_dataset, "run.yaml", "--not-show", "--show-interval", "1")
    assert calls[-1] == ("run.yaml", [], {"out": None, "limit": 16})


HEARTBEAT = {"type": "Heartbeat", "every": 5}
SHOWN = {"type": "DetVisualizationHook", "draw": True, "show": True, "wait_time": 0.5}
DUMP = {"type": "DumpDetResults", "out_file_path": "größe: 1.pkl"}


@pytest.mark.parametrize(
    ("settings", "hooks", "extra"),
    [
        ({}, [SHOWN], [DUMP]),
        (
            {"training": {"hooks": [HEARTBEAT]}, "metrics": {"extra": [{"type": "Mine", "step": 1e-5}]}},
            [HEARTBEAT, SHOWN],
            [{"type": "Mine", "step": 1e-5}, DUMP],
        ),
        (
            {"training": {"hooks": [{"type": "mmdet.DetVisualizationHook", "test_out_dir": "d"}, HEARTBEAT]}},
            [{"test_out_dir": "d", **SHOWN}, HEARTBEAT],
            [DUMP],
        ),
    ],
)
def test_show_and_a_pickle_are_added_to_the_hooks_and_metrics_of_the_settings(
    settings: dict[str, Any],
    hooks: list[dict[str, Any]],
    extra: list[dict[str, Any]],
    calls: list[tuple[Any, ...]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    config = tmp_path / "run.yaml"
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    run(mmdet_manners.test, str(config), CHECKPOINT, "--out", DUMP["out_file_path"], "--show", "--wait-time", "0.5")
    assert calls[-1][2]["out"] is None
    became = load_settings(config, calls[-1][1])
    assert (became.training.hooks, became.metrics.extra) == (hooks, extra)
    assert f"wrote:\n  metrics.json\n  {DUMP['out_file_path']}\n" in capsys.readouterr().out


def test_the_override_of_cfg_options_is_kept_too(calls: list[tuple[Any, ...]], tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("training: {epochs: 1}", encoding="utf-8")
    run(mmdet_manners.test, str(config), CHECKPOINT, "--out", "a.pkl", "--cfg-options", "metrics.extra=[{type: Mine}]")
    kept = load_settings(config, calls[-1][1]).metrics.extra
    assert kept == [{"type": "Mine"}, {"type": "DumpDetResults", "out_file_path": "a.pkl"}]


def test_tta_is_the_settings_own_or_mirrored(calls: list[tuple[Any, ...]], tmp_path: Path) -> None:
    for name, text, overrides in (
        ("plain.yaml", "training: {epochs: 1}", ["evaluation.tta=true"]),
        ("own.yaml", "evaluation: {tta: {flips: [vertical]}}", []),
    ):
        config = tmp_path / name
        config.write_text(text, encoding="utf-8")
        run(mmdet_manners.test, str(config), CHECKPOINT, "--tta")
        assert calls[-1][1] == overrides


REFUSED = {
    "a checkpoint that is no last.pth": (("train", "run.yaml", "--resume", "epoch_3.pth"), "model.weights=epoch_3.pth"),
    "no batch to scale from": (("train", "{config}", "--auto-scale-lr"), "training.scale_lr: the batch that"),
    "no display": (("test", "run.yaml", CHECKPOINT, "--show"), "use --show-dir FOLDER"),
    "a pickle of a Python config": (("test", "run.py", CHECKPOINT, "--out", "a.pkl"), "anomdet mmdet test.py"),
    "a pickle that is there": (("test", "run.yaml", CHECKPOINT, "--out", "{there}"), "nothing was changed"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_option_that_cannot_be_is_refused_with_what_to_use(
    case: str,
    calls: list[tuple[Any, ...]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    there, config = tmp_path / "there.pkl", tmp_path / "run.yaml"
    there.touch()
    config.write_text("training: {epochs: 1}", encoding="utf-8")
    (tool, *arguments), said = REFUSED[case]
    with pytest.raises(SystemExit) as ended:
        getattr(mmdet_manners, tool)([text.format(there=there, config=config) for text in arguments])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
    assert not calls


def test_a_batch_to_scale_from_is_enough(calls: list[tuple[Any, ...]], tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("training: {scale_lr: {base_batch_size: 8}}", encoding="utf-8")
    run(mmdet_manners.train, str(config), "--auto-scale-lr")
    assert calls[-1][1] == []


def test_browse_and_visualize(calls: list[tuple[Any, ...]]) -> None:
    run(mmdet_manners.browse_dataset, "run.yaml", "--output-dir", "o", "--show-number", "5")
    run(mmdet_manners.visualize, "run.yaml", CHECKPOINT, "--output-dir", "o")
    assert calls == [
        ("run.yaml", [], {"out": "o", "limit": 5}),
        ("run.yaml", [], {"split": "test", "checkpoint": CHECKPOINT, "out": "o"}),
    ]


@pytest.mark.parametrize("tool", ["train", "test", "browse_dataset", "visualize"])
def test_each_tool_has_help_with_an_example(tool: str) -> None:
    command = [sys.executable, ROOT / "tools" / f"{tool}.py", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert f"Example: python tools/{tool}.py" in shown
    assert "--cfg-options" in shown


def test_dist_train_says_how_it_is_used() -> None:
    done = subprocess.run(["bash", ROOT / "tools" / "dist_train.sh"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "CONFIG GPUS" in done.stderr


@pytest.mark.parametrize("name", ["dist_test.sh", "slurm_train.sh", "slurm_test.sh"])
def test_the_scripts_say_how_they_are_used(name: str) -> None:
    done = subprocess.run(["bash", ROOT / "tools" / name], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")


@pytest.mark.parametrize(
    ("script", "given", "started"),
    [
        ("slurm_train.sh", ["run.yaml"], "tools/train.py run.yaml"),
        ("slurm_test.sh", ["run.yaml", "best_model.pth"], "tools/test.py run.yaml best_model.pth"),
    ],
)
def test_slurm_starts_one_torchrun_a_node(script: str, given: list[str], started: str, tmp_path: Path) -> None:
    """With an srun that runs the node's command here, and a python that prints its arguments."""
    fakes = {
        "srun": 'echo "srun $*" | head -n 1; while [ "$1" != bash ]; do shift; done; exec "$@"',
        "scontrol": "echo node1; echo node2",
        "python": 'echo "python $*"',
    }
    for name, text in fakes.items():
        (tmp_path / name).write_text(f"#!/usr/bin/env bash\n{text}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "GPUS": "16", "SLURM_JOB_ID": "7"}
    environment |= {"SLURM_JOB_NODELIST": "node[1-2]", "PORT": "29611", "SRUN_ARGS": "--time=60 --quiet"}
    command = ["bash", str(ROOT / "tools" / script), "gpu", "boards", *given, "--cfg-options", "a.b=c d"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    srun, python = (" ".join(line.split()) for line in done.stdout.splitlines() if line.startswith(("srun", "python")))
    assert "-p gpu --job-name=boards --nodes=2 --ntasks=2 --ntasks-per-node=1 --gres=gpu:8" in srun
    assert "--time=60 --quiet bash" in srun
    assert "--nnodes=2 --nproc_per_node=8 --max-restarts=0 --rdzv-backend=c10d --rdzv-id=7" in python
    assert "--rdzv-endpoint=node1:29611" in python
    assert python.endswith(f"{started} --cfg-options a.b=c d --launcher pytorch")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["train", "--local-rank=1", "-c", "x"], ["train", "-c", "x"]),
        (["train", "--local_rank", "3", "-c", "x"], ["train", "-c", "x"]),
        (["train", "-c", "x"], ["train", "-c", "x"]),
    ],
)
def test_the_argument_of_the_old_launcher_is_left_out(given: list[str], kept: list[str]) -> None:
    assert without_local_rank(given) == kept


def test_settings_need_no_option_before_them() -> None:
    given = ["run.yaml", "--work-dir", "runs/lr=0.1", "a=1", "--amp", "b=2", "--cfg-options", "c=3", "d=4"]
    kept = ["run.yaml", "--work-dir", "runs/lr=0.1", "--cfg-options=a=1", "--amp", "--cfg-options=b=2"]
    assert mmdet_options.one_each(given) == [*kept, "--cfg-options=c=3", "--cfg-options=d=4"]

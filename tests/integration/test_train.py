"""``anomdet train``: what it writes, that nothing is lost, and that the same settings give the same weights."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.optim import OptimWrapper

from anomdet.cli.app import resume_command
from anomdet.config.load import load_settings
from anomdet.engine.checkpoint import load_checkpoint
from anomdet.engine.hooks.checkpoints import BestAndLastHook
from anomdet.output_rule import make_room
from tests.integration.conftest import (
    ROOT,
    Trained,
    assert_same_weights,
    named_files,
    run_command,
    run_process,
    write_settings,
)

Capture = pytest.CaptureFixture[str]


def test_writes_what_it_names(trained: Trained) -> None:
    named = named_files(trained.output)
    assert [path.name for path in named] == ["best_model.pth", "last.pth", "training.log"]
    assert all(path.is_file() and path.stat().st_size > 0 for path in named)
    assert {path.name for path in trained.checkpoint_dir.glob("[!.]*")} == {"best_model.pth", "last.pth"}
    assert {"training.log", "settings.yaml", "config.py"} <= {path.name for path in trained.log_dir.iterdir()}


def test_console_and_log_carry_the_same_lines(trained: Trained) -> None:
    log = (trained.log_dir / "training.log").read_text(encoding="utf-8")
    assert trained.output.split("wrote:")[0].strip() == log.strip()
    for text in ("epoch 1/2", "epoch 2/2", "mAP", "loss", "1: scratch", "4: hole", "best: epoch"):
        assert text in log
    assert "Traceback" not in log


def test_the_left_settings_are_the_run(trained: Trained) -> None:
    """With what was found out before the first step: the bits that 16 bit images use; all, where there are none."""
    path = trained.log_dir / "settings.yaml"
    head = "# Relative paths start from the folder of the command; this run was started in "
    assert path.read_text(encoding="utf-8").startswith(head)
    left = load_settings(path)
    assert left == load_settings(trained.config, ["data.bit_depth=16"])


def test_checkpoints_hold_weights_only_and_say_what_they_are(trained: Trained) -> None:
    last = torch.load(trained.checkpoint_dir / "last.pth", weights_only=False)
    assert (last["meta"]["epoch"], last["meta"]["seed"]) == (2, 42)
    assert list(last["meta"]["dataset_meta"]["class_nums"]) == [1, 2, 3, 4]
    assert {"optimizer", "param_schedulers", "message_hub", "ema_state_dict"} <= set(last)
    best = torch.load(trained.checkpoint_dir / "best_model.pth", weights_only=False)
    assert best["meta"]["best"]["epoch"] == best["meta"]["epoch"] in (1, 2)
    assert not {"optimizer", "ema_state_dict"} & set(best)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_the_same_settings_give_the_same_weights(trained: Trained, tmp_path: Path, workers: str) -> None:
    """In another process, and whoever loads the images."""
    _train_again(trained.config, tmp_path, f"data.num_workers={workers}")
    assert_same_weights(trained.checkpoint_dir / "last.pth", tmp_path / "checkpoints" / "last.pth")


def test_another_seed_gives_other_weights(trained: Trained, tmp_path: Path) -> None:
    _train_again(trained.config, tmp_path, "training.seed=1")
    with pytest.raises(AssertionError, match="weights differ"):
        assert_same_weights(trained.checkpoint_dir / "last.pth", tmp_path / "checkpoints" / "last.pth")


def _train_again(config: Path, folder: Path, *overrides: str) -> None:
    dirs = (f"logging.log_dir={folder / 'logs'}", f"logging.checkpoint_dir={folder / 'checkpoints'}")
    run_command("train", "-c", config, *dirs, *overrides)


def test_the_translated_config_trains_to_the_same_weights(trained: Trained, tmp_path: Path, capsys: Capture) -> None:
    run_command("config", "-c", trained.config, "--to", "py")
    config = tmp_path / "run.py"
    config.write_text(capsys.readouterr().out, encoding="utf-8")
    dirs = (f"work_dir={tmp_path / 'logs'}", f"default_hooks.checkpoint.out_dir={tmp_path / 'checkpoints'}")
    run_command("train", "-c", config, *dirs)
    assert_same_weights(trained.checkpoint_dir / "last.pth", tmp_path / "checkpoints" / "last.pth")


def test_mmdetections_script_trains_the_config_beside_the_outputs_to_the_same_weights(
    trained: Trained, tmp_path: Path
) -> None:
    script = ("tools/train.py", trained.log_dir / "config.py", "--work-dir", tmp_path)
    output = run_process(*script, cwd=ROOT)
    assert tmp_path / "last.pth" in named_files(output)
    assert_same_weights(trained.checkpoint_dir / "last.pth", tmp_path / "last.pth")


def test_earlier_results_are_moved_aside(data_dir: Path, tmp_path: Path) -> None:
    config = write_settings(tmp_path, data_dir)
    logs, checkpoints = tmp_path / "logs", tmp_path / "checkpoints"
    for folder, name in ((logs, "training.log"), (logs, "settings.yaml"), (checkpoints, "best_model.pth")):
        folder.mkdir(exist_ok=True)
        make_room(folder, [name], "a test")
        (folder / name).write_text("of an earlier run", encoding="utf-8")
    (logs / "notes.txt").write_text("mine", encoding="utf-8")
    run_command("train", "-c", config)
    log = (logs / "training.log").read_text(encoding="utf-8")
    for folder, names in ((logs, {"training.log", "settings.yaml"}), (checkpoints, {"best_model.pth"})):
        (moved,) = (folder / "previous").iterdir()
        assert {path.name for path in moved.iterdir()} == names
        assert {path.read_text(encoding="utf-8") for path in moved.iterdir()} == {"of an earlier run"}
        assert str(moved) in log
    assert (logs / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_files_that_no_run_wrote_are_not_moved(data_dir: Path, tmp_path: Path, capsys: Capture) -> None:
    config = write_settings(tmp_path, data_dir)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "config.py").write_text("mine", encoding="utf-8")
    (tmp_path / "checkpoints").mkdir()
    run_command("train", "-c", config, code=2)
    told = capsys.readouterr().err
    assert "logging.log_dir: expected a new name, or one of an earlier run, got " in told
    assert str(tmp_path / "logs" / "config.py") in told
    assert {path.name for path in tmp_path.rglob("*") if path != config} == {"logs", "checkpoints", "config.py"}


def _interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    finish = BestAndLastHook.after_val_epoch

    def then_stop(self: BestAndLastHook, runner: Any, metrics: Any = None) -> None:
        finish(self, runner, metrics)
        raise KeyboardInterrupt

    monkeypatch.setattr(BestAndLastHook, "after_val_epoch", then_stop)


def test_a_resumed_run_equals_an_uninterrupted_one(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dirs = (f"logging.log_dir={tmp_path / 'logs'}", f"logging.checkpoint_dir={tmp_path / 'checkpoints'}")
    with monkeypatch.context() as patch:
        _interrupt(patch)
        run_command("train", "-c", trained.config, *dirs, code=130)
    last = tmp_path / "checkpoints" / "last.pth"
    assert torch.load(last, weights_only=False)["meta"]["epoch"] == 1
    run_command("train", "-c", trained.config, "--resume", *dirs)
    assert_same_weights(trained.checkpoint_dir / "last.pth", last)
    # Its optimizer and best score too, not the weights alone.
    one, other = (torch.load(path, weights_only=False) for path in (trained.checkpoint_dir / "last.pth", last))
    assert one["meta"]["best"] == other["meta"]["best"]
    for number, state in one["optimizer"]["state"].items():
        for key, value in state.items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(other["optimizer"]["state"][number][key]))
    log = (tmp_path / "logs" / "training.log").read_text(encoding="utf-8")
    assert log.count("epoch 1/2") == log.count("epoch 2/2") == 1


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"])
def test_a_run_interrupted_in_an_epoch_goes_on_in_it(
    trained: Trained,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
    number: int,
    code: int,
) -> None:
    """Batch 3 of 4 in the second epoch: weights, averages, optimizer, counts and history as without a break."""
    common = (f"data.num_workers={workers}",)
    dirs = (f"logging.log_dir={tmp_path / 'logs'}", f"logging.checkpoint_dir={tmp_path / 'checkpoints'}")
    with monkeypatch.context() as patch:
        signal_at(patch, number, iteration=6)
        run_command("train", "-c", trained.config, *dirs, *common, code=code)
    message = capsys.readouterr().err
    assert "last.pth holds epoch 2 up to batch 3 of 2 epochs; continue with:" in message
    assert "--resume" in message
    last = tmp_path / "checkpoints" / "last.pth"
    meta = load_checkpoint(last)["meta"]
    assert (meta["epoch"], meta["batch"], meta["iter"]) == (1, 3, 7)
    run_command("train", "-c", trained.config, "--resume", *dirs, *common)
    assert_same_state(load_checkpoint(trained.checkpoint_dir / "last.pth"), load_checkpoint(last))
    log = (tmp_path / "logs" / "training.log").read_text(encoding="utf-8")
    assert "with other settings" not in log
    lines = [line.split("INFO")[1] for line in log.splitlines() if "INFO" in line]
    whole = (trained.log_dir / "training.log").read_text(encoding="utf-8")
    (epoch,) = [line for line in lines if "epoch 2/2" in line and "val:" in line]
    assert epoch.split("lr")[0] in whole  # the mean loss of the whole epoch


def signal_at(patch: pytest.MonkeyPatch, number: int, *, iteration: int) -> None:
    step = BestAndLastHook.after_train_iter

    def with_signal(self: BestAndLastHook, runner: Any, *args: Any, **kwargs: Any) -> None:
        if runner.iter == iteration:
            signal.raise_signal(number)
        step(self, runner, *args, **kwargs)

    patch.setattr(BestAndLastHook, "after_train_iter", with_signal)


def assert_same_state(one: Any, other: Any, where: str = "") -> None:
    """Two checkpoints, bit for bit, but for folders and clocks."""
    assert type(one) is type(other), where
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            if where + str(key) not in ("meta.cfg", "message_hub.runtime_info.cfg") and "time" not in str(key):
                assert_same_state(one[key], other[key], f"{where}{key}.")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), where
        for i, (first, second) in enumerate(zip(one, other, strict=True)):
            assert_same_state(first, second, f"{where}{i}.")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    elif hasattr(one, "data"):  # MMEngine's history of a number
        assert all((a == b).all() for a, b in zip(one.data, other.data, strict=True)), where
    else:
        assert one == other, where


def test_accumulated_gradients_are_a_larger_batch(data_dir: Path, tmp_path: Path) -> None:
    """Three batches a step, four in an epoch: a step after the third and one after the fourth."""
    config = write_settings(tmp_path, data_dir, accumulation_steps=3)
    steps: list[int] = []
    count = OptimWrapper.step

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            OptimWrapper, "step", lambda self, **kwargs: (steps.append(self._inner_count), count(self, **kwargs))
        )
        run_command("train", "-c", config, "training.epochs=2", "training.val_interval=2")
    assert steps == [3, 4, 3, 4]


def test_the_validation_has_a_loss_and_may_decide(data_dir: Path, tmp_path: Path) -> None:
    config = write_settings(tmp_path, data_dir, epochs=2)
    run_command("train", "-c", config, "training.monitor=val_loss")
    log = (tmp_path / "logs" / "training.log").read_text(encoding="utf-8")
    losses = [float(found) for found in re.findall(r"val_loss (\d+\.\d+)", log.split("best:")[0])]
    assert len(losses) == 2
    best = load_checkpoint(tmp_path / "checkpoints" / "best_model.pth")["meta"]["best"]
    assert best["monitor"] == "val_loss"
    assert best["score"] == pytest.approx(min(losses), abs=1e-4)
    assert best["epoch"] == 1 + losses.index(min(losses))


def test_the_log_tells_the_exposure_of_each_class(trained: Trained) -> None:
    log = (trained.log_dir / "training.log").read_text(encoding="utf-8")
    (line,) = [line for line in log.splitlines() if "in the data -> drawn in an epoch" in line]
    assert re.search(
        r"scratch \d+ -> \d+, dent \d+ -> \d+, stain \d+ -> \d+, hole \d+ -> \d+, no defect \d+ -> \d+$", line
    )


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("data.split.seed=5", "the splits that the training began with, got other images in"),
        (
            "data.classes={1: dent, 2: scratch, 3: stain, 4: hole}",
            "1: dent, 2: scratch, got 1: scratch, 2: dent;",
        ),
        (
            "training.monitor=val_loss",  # no loss betters a best mAP of 0.1
            "expected training.monitor val_loss, as the settings say, got mAP, from the start of the run; add",
        ),
        ("data.classes=null", ""),
    ],
)
def test_a_resume_on_other_data_is_refused(
    trained: Trained, tmp_path: Path, capsys: Capture, override: str, words: str
) -> None:
    shutil.copytree(trained.checkpoint_dir, tmp_path / "checkpoints")
    dirs = (f"logging.log_dir={tmp_path / 'logs'}", f"logging.checkpoint_dir={tmp_path / 'checkpoints'}")
    before = (tmp_path / "checkpoints" / "last.pth").read_bytes()
    run_command("train", "-c", trained.config, "--resume", *dirs, override, code=2 if words else 0)
    if words:
        assert words in capsys.readouterr().err
        assert (tmp_path / "checkpoints" / "last.pth").read_bytes() == before


def test_an_evaluation_on_other_splits_is_warned_of(trained: Trained, tmp_path: Path, capsys: Capture) -> None:
    words = "it may have learned from some that it is measured on now"
    for override, warned in (("data.split.seed=0", False), ("data.split.seed=5", True)):
        run_command("evaluate", "-c", trained.config, override, f"logging.log_dir={tmp_path}")
        assert (words in capsys.readouterr().out) == warned
        noted = json.loads((tmp_path / "evaluation/metrics.json").read_text())["notes"]
        assert any(words in note for note in noted) == warned


@pytest.mark.parametrize(
    ("script", "command"),
    [
        ("/usr/bin/anomdet", "anomdet train --config run.yaml a=1 --resume"),
        ("train.py", "python train.py --config run.yaml a=1 --resume"),
        ("tools/train.py", "python tools/train.py run.yaml --resume --cfg-options a=1"),
    ],
)
def test_the_way_on_is_by_the_same_script(monkeypatch: pytest.MonkeyPatch, script: str, command: str) -> None:
    monkeypatch.setattr(sys, "argv", [script, "whatever"])
    assert resume_command("run.yaml", ["a=1"]) == command


def test_a_training_within_its_warm_up_is_warned_of(data_dir: Path, tmp_path: Path, capsys: Capture) -> None:
    run_command("train", "-c", write_settings(tmp_path, data_dir), "training.scheduler.warmup_iterations=4")
    assert "WARNING the run ends within the warm-up of the learning rate: 4 steps" in capsys.readouterr().out


def test_trackers_get_losses_and_metrics(data_dir: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run_command(
        "train", "-c", write_settings(tmp_path, data_dir), "logging.trackers=[tensorboard]", "training.epochs=3"
    )
    (events,) = (tmp_path / "logs" / "tensorboard").rglob("events.out.*")
    found = EventAccumulator(str(events)).Reload()
    assert {"train/loss", "train/lr", "val/mAP", "val/val_loss"} <= set(found.Tags()["scalars"])
    assert [event.step for event in found.Scalars("val/mAP")] == [4, 8, 12]
    assert [event.step for event in found.Scalars("train/loss")] == [10]


def test_a_plug_in_is_imported_and_named(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "examples" / "plugin.py", tmp_path / "my_plugin.py")
    config = write_settings(tmp_path, data_dir)
    parts = (
        "training.hooks=[{type: Heartbeat, path: " + str(tmp_path / "beats.txt") + "}]",
        "data.transforms=[{type: Glare, strength: 0.5, p: 1.0}]",
        "metrics.extra=[{type: CountError}]",
    )
    run_command("train", "-c", config, "plugins=[my_plugin]", *parts)
    assert (tmp_path / "beats.txt").read_text(encoding="utf-8").startswith("epoch 1")
    assert re.search(r"count_error \d", (tmp_path / "logs" / "training.log").read_text(encoding="utf-8"))
    run_command("evaluate", "-c", tmp_path / "logs" / "settings.yaml")
    assert re.search(r"count_error \d", (tmp_path / "logs" / "evaluation.log").read_text(encoding="utf-8"))
    run_command("visualize", "-c", tmp_path / "logs" / "config.py", "--limit", "1")


def test_no_written_file_has_the_secret_of_an_address(
    data_dir: Path, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Neither the settings and config beside the outputs, nor logs, nor checkpoints; and not the screen."""
    weights_file = trained.checkpoint_dir / "best_model.pth"
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch_home"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda url, dst, **_: shutil.copy(weights_file, dst))
    address = "https://example.org/x.pth?token=SECRET1&signature=SECRET2"
    changes = "{neck: {init_cfg: {type: Pretrained, prefix: neck., checkpoint: '" + address + "'}}}"
    config = write_settings(tmp_path, data_dir)
    run_command("train", "-c", config, f"model.overrides={changes}", f"model.weights={address}")
    assert "SECRET" not in "".join(capsys.readouterr())
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 10 and any(path.name == "x.pth" for path in written)
    assert not [path for path in written if b"SECRET" in path.read_bytes() or "SECRET" in str(path)]


def test_debug_tells_every_batch(data_dir: Path, tmp_path: Path) -> None:
    config = write_settings(tmp_path, data_dir)
    run_command("train", "-c", config, "logging.log_level=DEBUG")
    log = (tmp_path / "logs" / "training.log").read_text(encoding="utf-8")
    batches = [line for line in log.splitlines() if "epoch 1 batch" in line]
    assert len(batches) >= 4
    for text in ("loss", "lr ", "grad_norm", "memory"):
        assert all(text in line for line in batches)


def test_a_run_that_learns_nothing_still_leaves_both_checkpoints(data_dir: Path, tmp_path: Path) -> None:
    config = write_settings(tmp_path, data_dir, learning_rate=1e-12)
    run_command("train", "-c", config)
    assert {path.name for path in (tmp_path / "checkpoints").glob("[!.]*")} == {"best_model.pth", "last.pth"}


@pytest.mark.parametrize("early", [False, True])
def test_a_resume_of_a_finished_training_does_nothing_and_says_so(
    trained: Trained, tmp_path: Path, capsys: Capture, early: bool
) -> None:
    shutil.copytree(trained.checkpoint_dir, tmp_path / "checkpoints")
    shutil.copytree(trained.log_dir, tmp_path / "logs")
    last = tmp_path / "checkpoints" / "last.pth"
    reason = "epoch 2 of 2; to continue, raise the number of epochs"
    more = []
    if early:
        checkpoint = torch.load(last, weights_only=False)
        checkpoint["early_stopping"] = {"best_score": 0.5, "bad_validations": 1}
        torch.save(checkpoint, last)
        more = ["training.epochs=9", "training.early_stopping.patience=1"]
        reason = (
            "a run that stopped early, epoch 2: mAP has not bettered its best, 0.5000, for 1 validations; "
            "to continue, raise training.early_stopping.patience"
        )
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    dirs = (f"logging.log_dir={tmp_path / 'logs'}", f"logging.checkpoint_dir={tmp_path / 'checkpoints'}")
    capsys.readouterr()
    run_command("train", "-c", trained.config, "--resume", *dirs, *more)
    said, following = capsys.readouterr().out.splitlines()
    assert said == f"nothing is left to do: {last} holds {reason}"
    assert following.startswith("next: anomdet evaluate --config")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_resume_without_a_checkpoint_is_refused(data_dir: Path, tmp_path: Path, capsys: Capture) -> None:
    run_command("train", "-c", write_settings(tmp_path, data_dir), "--resume", code=2)
    assert "last.pth" in capsys.readouterr().err

"""Every hook that MMEngine and MMDetection register either works in a run of ours or is refused with its reason."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from anomdet.engine.hooks.foreign import check_hooks
from anomdet.engine.runner import InspectionRunner
from anomdet.errors import UserError
from anomdet.workflows.runs.run_config import load_run
from anomdet.workflows.train import train
from tests.integration.conftest import Trained, run_command, write_settings

pytestmark = pytest.mark.slow
PACK = [{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations", "with_bbox": True}, {"type": "PackDetInputs"}]
WORKING: dict[str, dict[str, Any]] = {
    "CheckInvalidLossHook": {"interval": 1},
    "DetVisualizationHook": {"draw": True, "interval": 1},
    "EMAHook": {},
    "EarlyStoppingHook": {"monitor": "mAP", "patience": 9},
    "EmptyCacheHook": {"after_iter": True},
    "LoggerHook": {"interval": 1},
    "NumClassCheckHook": {},
    "PipelineSwitchHook": {"switch_epoch": 9, "switch_pipeline": PACK},
    "SyncBuffersHook": {},
    "SyncNormHook": {},
    "TrainAugmentDetVisualizationHook": {"draw": True, "interval": 1},
}
REFUSED = {
    "CheckpointHook": "BestAndLastHook writes the checkpoints",
    "DistSamplerSeedHook": "each run has it already",
    "GroundingVisualizationHook": "use DetVisualizationHook",
    "IterTimerHook": "each run has it already",
    "MeanTeacherHook": "semi-supervised",
    "NaiveVisualizationHook": "use DetVisualizationHook",
    "ParamSchedulerHook": "each run has it already",
    "PrepareTTAHook": "use evaluation.tta",
    "RFSearchHook": "changes the network",
    "SetEpochInfoHook": "no method set_epoch",
    "RuntimeInfoHook": "each run has it already",
    "TrackVisualizationHook": "use DetVisualizationHook",
    "YOLOXModeSwitchHook": "MultiImageMixDataset",
}
PACKAGES = {"MemoryProfilerHook": "memory_profiler", "NPUProfilerHook": "torch_npu"}


def test_every_registered_hook_is_in_one_of_the_lists() -> None:
    import mmdet.engine.hooks  # noqa: F401 - registers them
    from mmdet.registry import HOOKS as MMDET_HOOKS
    from mmengine.registry import HOOKS

    libraries = ("mmengine.", "mmdet.", "mmcv.")
    names = {
        name
        for registry in (HOOKS, MMDET_HOOKS)
        for name, kind in registry.module_dict.items()
        if kind.__module__.startswith(libraries)
    }
    assert len(names) > 20
    assert names == {*WORKING, *REFUSED, *PACKAGES, "ProfilerHook"}


class Hooked:
    """A run with all hooks that work, together with a tracker: its folder and the Runner."""

    def __init__(self, log_dir: Path, runner: InspectionRunner) -> None:
        self.log_dir, self.runner = log_dir, runner


@pytest.fixture(scope="module")
def hooked(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Hooked:
    folder = tmp_path_factory.mktemp("hooked")
    hooks = [{"type": name, **arguments} for name, arguments in WORKING.items()]
    settings = write_settings(folder, data_dir, hooks=hooks)
    runners = []
    with pytest.MonkeyPatch.context() as patch:
        plain = InspectionRunner.train
        patch.setattr(InspectionRunner, "train", lambda runner: (runners.append(runner), plain(runner))[1])
        train(settings, ["logging.trackers=[tensorboard]"])
    return Hooked(folder / "logs", runners[0])


@pytest.mark.parametrize("name", WORKING)
def test_a_hook_that_works_is_in_the_run(hooked: Hooked, name: str) -> None:
    assert name in [type(hook).__name__ for hook in hooked.runner.hooks]
    assert hooked.runner.epoch == 1


def test_what_the_hooks_draw_is_below_log_dir_and_in_the_tracker(hooked: Hooked) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    drawn = sorted(path.name for path in (hooked.log_dir / "vis_image").iterdir())
    assert drawn == ["train_img_0.png", "train_img_2.png", "train_img_4.png", "train_img_6.png", "val_img_4.png"]
    events = EventAccumulator(str(hooked.log_dir / "tensorboard"))
    events.Reload()
    assert {"train_img", "val_img"} <= set(events.Tags()["images"])
    assert {"loss", "val/mAP"} <= set(events.Tags()["scalars"])  # of LoggerHook and of our own


def test_scalars_json_has_mmengines_form(hooked: Hooked) -> None:
    step, validation = map(json.loads, (hooked.log_dir / "scalars.json").read_text().splitlines())
    assert {"lr", "data_time", "time", "loss", "loss_cls", "epoch", "iter", "memory", "step"} <= step.keys()
    assert (step["epoch"], step["iter"], step["step"]) == (1, 4, 4)
    assert validation["step"] == 1
    assert 0 <= validation["val/mAP"] <= 1


@pytest.mark.parametrize("name", REFUSED)
def test_a_hook_that_cannot_work_is_refused_with_its_reason(data_dir: Path, tmp_path: Path, name: str) -> None:
    run = load_run(write_settings(tmp_path, data_dir, hooks=[{"type": name}]))
    with pytest.raises(UserError, match=rf"training\.hooks: .*got {name}.*{REFUSED[name]}"):
        check_hooks(run.config, "training.hooks")


@pytest.mark.parametrize("scope", ["mmengine", "mmdet", "anomdet"])
def test_a_scope_in_front_of_its_name_changes_nothing(data_dir: Path, tmp_path: Path, scope: str) -> None:
    run = load_run(write_settings(tmp_path, data_dir, hooks=[{"type": f"{scope}.RFSearchHook"}]))
    with pytest.raises(UserError, match=r"got RFSearchHook.*changes the network"):
        check_hooks(run.config, "training.hooks")


@pytest.mark.parametrize("name", PACKAGES)
def test_a_hook_without_its_package_names_it(data_dir: Path, tmp_path: Path, name: str) -> None:
    if find_spec(PACKAGES[name]) is not None:
        pytest.skip(f"{PACKAGES[name]} is installed")
    run = load_run(write_settings(tmp_path, data_dir, hooks=[{"type": name}]))
    with pytest.raises(UserError, match=f"pip install .*{PACKAGES[name]}"):
        check_hooks(run.config, "training.hooks")


def test_two_moving_averages_are_refused(data_dir: Path, tmp_path: Path) -> None:
    run = load_run(write_settings(tmp_path, data_dir, ema=True, hooks=[{"type": "EMAHook"}]))
    with pytest.raises(UserError, match=r"training\.ema: false"):
        check_hooks(run.config, "training.hooks")


def test_the_refusal_comes_before_the_run(data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_settings(tmp_path, data_dir, hooks=[{"type": "mmengine.CheckpointHook", "interval": 1}])
    run_command("train", "-c", config, code=2)
    assert "training.hooks: expected hooks that can work here, got CheckpointHook" in capsys.readouterr().err
    assert not (tmp_path / "logs").exists()


def test_the_profiler_writes_its_trace(data_dir: Path, tmp_path: Path) -> None:
    """On its own: it slows the step that it looks at."""
    trace = tmp_path / "trace.json"
    hook = {"type": "ProfilerHook", "by_epoch": False, "profile_times": 1, "json_trace_path": str(trace)}
    train(write_settings(tmp_path, data_dir, hooks=[hook]), ["training.epoch_images=4", "training.val_loss=false"])
    assert json.loads(trace.read_text())["traceEvents"]


def test_det_visualization_hook_draws_in_a_test(trained: Trained, tmp_path: Path) -> None:
    log_dir = tmp_path / "logs"
    hook = "training.hooks=[{type: DetVisualizationHook, draw: true, test_out_dir: drawn}]"
    options = ("evaluation.resamples=0", "evaluation.report=false", f"logging.log_dir={log_dir}", hook)
    run_command("evaluate", "-c", trained.config, "--checkpoint", trained.checkpoint_dir / "best_model.pth", *options)
    truth = json.loads((log_dir / "evaluation" / "ground_truth.json").read_text())
    drawn = {path.stem for path in log_dir.glob("*/drawn/*.jpg")}
    assert drawn == {Path(image["file_name"]).stem for image in truth["images"]}


def test_det_visualization_hook_of_a_python_config_draws_in_a_test(trained: Trained, tmp_path: Path) -> None:
    log_dir = tmp_path / "logs"
    config = tmp_path / "with_hook.py"
    hook = "dict(type='DetVisualizationHook', draw=True, test_out_dir='drawn')"
    config.write_text(
        f"_base_ = [{str(trained.log_dir / 'config.py')!r}]\ncustom_hooks = _base_.custom_hooks + [{hook}]\n"
        f"work_dir = {str(log_dir)!r}\n",
        encoding="utf-8",
    )
    options = ("evaluation.resamples=0", "evaluation.report=false")
    run_command("evaluate", "-c", config, "--checkpoint", trained.checkpoint_dir / "best_model.pth", *options)
    truth = json.loads((log_dir / "evaluation" / "ground_truth.json").read_text())
    drawn = {path.stem for path in log_dir.glob("*/drawn/*.jpg")}
    assert drawn == {Path(image["file_name"]).stem for image in truth["images"]}

"""MMEngine's and MMDetection's own hooks: which of them can work in a run here, and why the others cannot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

import mmdet.registry
from mmengine.hooks import EMAHook, Hook
from mmengine.registry import Registry

from anomdet.errors import Problem, UserError
from anomdet.registry import HOOKS, MODELS

_THERE = "each run has it already, and twice it would count or step twice"
_DRAWS = "use DetVisualizationHook"
_REASONS = {
    "CheckpointHook": "anomdet.BestAndLastHook writes the checkpoints, atomically; see logging.checkpoint_dir",
    "GroundingVisualizationHook": f"it draws the phrases of a grounding model; {_DRAWS}",
    "MeanTeacherHook": "it needs a model with a teacher and a student (semi-supervised), which AnomDet does not train",
    "NaiveVisualizationHook": f"it does not work with MMEngine's own data samples, as its source says; {_DRAWS}",
    "PrepareTTAHook": "use evaluation.tta",
    "RFSearchHook": "it changes the network during the run: no checkpoint of it could be loaded",
    "TrackVisualizationHook": f"it draws tracks of videos; {_DRAWS}",
}
_AVERAGES = ("EMAHook", "anomdet.AverageHook")
_ONCE = {"DistSamplerSeedHook", "IterTimerHook", "ParamSchedulerHook", "RuntimeInfoHook"}
_PACKAGES = {"MemoryProfilerHook": ("psutil", "memory_profiler"), "NPUProfilerHook": ("torch_npu",)}
_TEST_STAGE = tuple(f"{when}_test{what}" for when in ("before", "after") for what in ("", "_epoch", "_iter"))


def check_hooks(config: Any, option: str) -> None:
    """Refuse the hooks of a config that could not work, before the run starts.

    Args:
        config: MMEngine's, with ``custom_hooks`` and ``default_hooks``.
        option: where the user wrote them, for the message.

    Raises:
        UserError: each of them, with the reason.
    """
    custom = list(_names(config.get("custom_hooks") or ()))
    default = list(_names([hook for hook in (config.get("default_hooks") or {}).values() if hook]))
    reasons = {name: reason for name in (*custom, *default) if (reason := _reason(name, config))}
    reasons |= {name: _THERE for name in custom if name in _ONCE}
    if sum(name in _AVERAGES for name in custom) > 1:
        reasons["EMAHook"] = "there are two; remove it, or set training.ema: false"
    if reasons:
        raise UserError([Problem(option, "hooks that can work here", name, why) for name, why in reasons.items()])


def test_hooks(hooks: Sequence[Any] | None) -> list[Any]:
    """Those of the hooks that act in a test; not the moving average, which a checkpoint holds as its weights."""
    return [hook for hook in hooks or () if _acts_in_tests(next(_names([hook])))]


def _acts_in_tests(name: str) -> bool:
    kind = _registered(HOOKS, "HOOKS", name)
    if kind is None or issubclass(kind, EMAHook):
        return False
    return any(getattr(kind, stage) is not getattr(Hook, stage) for stage in _TEST_STAGE)


def _registered(ours: Registry, of_mmdet: str, name: str) -> Any:
    """What one of our registries, or MMDetection's of that name, holds."""
    return ours.get(name) or getattr(mmdet.registry, of_mmdet).get(name)


def _names(hooks: Sequence[Any]) -> Iterator[str]:
    """Without the scope of MMEngine or MMDetection, nor with ours where the hook is theirs."""
    for hook in hooks:
        name = str(hook.get("type")) if isinstance(hook, dict) else type(hook).__name__
        name = name.removeprefix("mmdet.").removeprefix("mmengine.")
        bare = name.removeprefix("anomdet.")
        yield bare if bare != name and mmdet.registry.HOOKS.get(bare) else name


def _reason(name: str, config: Any) -> str:
    """Why a hook cannot work in this run; empty: it can."""
    missing = [package for package in _PACKAGES.get(name, ()) if find_spec(package) is None]
    if missing:
        return f"it needs the package {', '.join(missing)}: pip install {' '.join(missing)}"
    if name == "YOLOXModeSwitchHook" and config.train_dataloader.dataset.get("type") != "MultiImageMixDataset":
        return "it ends the mosaic of MultiImageMixDataset, which this training does not use"
    if name == "SetEpochInfoHook" and not hasattr(_registered(MODELS, "MODELS", str(config.model.type)), "set_epoch"):
        return f"a {config.model.type} has no method set_epoch"
    return _REASONS.get(name, "")

"""What a checkpoint knows comes from the checkpoint: network, image size, normalisation, classes.

Settings need only say where the data is. What they say besides must agree: both values are named where it does not.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from anomdet.config.schema import NORMAL_ONLY, Settings, effective_model_name
from anomdet.config.translate_data import size_hw
from anomdet.errors import Problem, UserError
from anomdet.inference.artifact import Artifact

_FIT = "anomdet.FitInside"
_LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
_SHOWN = 4  # differences in a line of the log
# Of a network's config, what has no part in predictions.
_OF_TRAINING = {
    *("train_cfg", "init_cfg", "pretrained", "checkpoint", "frozen_stages", "frozen_blocks", "norm_eval"),
    *("requires_grad", "data_preprocessor", "_scope_"),
}
# What says which network; the other keys say how it starts.
_NETWORK_KEYS = {"name", "detection_model", "backbone", "custom_backbone_file", "custom_model_file", "overrides"}


def take_from_checkpoint(config: Any, settings: Settings | None, trained: Artifact, path: Path) -> None:
    """Put the checkpoint's network and image size into a config, in place.

    Args:
        config: MMEngine's, from the settings; a Python config keeps its own network, which MMEngine compares.
        settings: those behind it; None for a Python config.
        trained: what the checkpoint says.
        path: of the checkpoint.

    Raises:
        UserError: the settings name another network, size, normalisation or classes; all differences at once.
    """
    hint = f"leave it out: {path} knows its own"
    given = _differences(config, settings, trained)
    problems = [Problem(key, f"{own}, as in training", other, hint) for key, own, other in given]
    if problems:
        raise UserError(problems)
    own = settings is not None and not settings.model.model_fields_set & _NETWORK_KEYS
    # Settings that name a network had none to train where the data had no object.
    if (own and not trained.model.custom_file) or trained.model.name == NORMAL_ONLY:
        config.model = type(config.model)(copy.deepcopy(dict(trained.model.config)))
    for step in _fit_steps(config):
        step.size_hw = trained.preprocessing.size_hw


def normalize_as_trained(config: Any, trained: Artifact, path: Path) -> None:
    """The checkpoint's own normalisation, which may come from the weights that its training began with."""
    from anomdet.workflows.runs.describe import use_normalization

    if note := use_normalization(config.model, trained.preprocessing):
        logging.getLogger("anomdet").warning(f"{path}: {note}")


def warn_of_another_network(model: Any, trained: Artifact, path: Path) -> None:
    """Name what the settings' network does otherwise than the checkpoint's, though the weights may fit both.

    Args:
        model: of a complete config.
        trained: what the checkpoint says.
        path: of the checkpoint.
    """
    from anomdet.workflows.runs.describe import network

    if trained.model.custom_file:  # its config are the settings, as the user's file sees them
        return
    own, given = (dict(_leaves(one, "")) for one in (trained.model.config, network(model)))
    keys = sorted(key for key in own.keys() | given.keys() if own.get(key) != given.get(key))
    if not keys:
        return
    shown = ", ".join(f"{key}: {given.get(key, 'none')}, not {own.get(key, 'none')}" for key in keys[:_SHOWN])
    more = f", and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    logging.getLogger("anomdet").warning(
        f"the settings have another network than {path}, which predict and export go by: {shown}{more}"
    )


def _leaves(node: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """Dotted key to value as text, of what has a part in predictions."""
    if isinstance(node, dict) and node:
        for key, value in node.items():
            if key not in _OF_TRAINING and not key.startswith("loss"):
                yield from _leaves(value, f"{prefix}.{key}" if prefix else key)
    elif isinstance(node, (list, tuple)) and node:
        for at, value in enumerate(node):
            yield from _leaves(value, f"{prefix}[{at}]")
    else:
        yield prefix, str(_as_list(node))


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def in_checkpoint(problem: Problem | str, path: Path) -> Problem | str:
    """The classes that are allowed came from the checkpoint, not from the settings: the message says so."""
    if isinstance(problem, str) or "data.classes" not in problem.expected:
        return problem
    expected = problem.expected.replace("data.classes", f"the checkpoint {path}")
    return replace(problem, expected=expected, hint="give the checkpoint that was trained on this data")


def _fit_steps(config: Any) -> Iterator[Any]:
    for name in _LOADERS:
        for step in config[name].dataset.get("pipeline", ()):
            if step.type == _FIT:
                yield step


def _differences(config: Any, settings: Settings | None, trained: Artifact) -> Iterator[tuple[str, str, str]]:
    """Key, the checkpoint's value, the settings' value."""
    size = trained.preprocessing.size_hw
    if settings is None:
        for step in _fit_steps(config):
            if tuple(step.size_hw) != size:
                yield "FitInside.size_hw", f"{list(size)}", f"{list(step.size_hw)}"
                return
        return
    data, model = settings.data, settings.model
    if trained.model.name == NORMAL_ONLY:
        return
    if model.model_fields_set & {"name", "detection_model"} and effective_model_name(settings) != trained.model.name:
        yield "model.name", trained.model.name, effective_model_name(settings)
    if "image_size" in data.model_fields_set and size_hw(data.image_size) != size:
        yield "data.image_size", f"{list(size)}", f"{list(size_hw(data.image_size))}"
    if data.classes and dict(data.classes) != trained.classes:
        yield "data.classes", f"{trained.classes}", f"{dict(data.classes)}"
    yield from _other_normalization(settings, trained)


def _other_normalization(settings: Settings, trained: Artifact) -> Iterator[tuple[str, str, str]]:
    """A network that takes pixels as they are, or that began with other weights, does not ask the settings."""
    if getattr(settings.model, "weights", None) is not None:
        return
    for name, key in (("mean", "normalize_mean"), ("std", "normalize_std")):
        own = [round(value / 255, 5) for value in getattr(trained.preprocessing, name)]
        own = own if trained.preprocessing.channel_order == "rgb" else own[::-1]
        given = [round(value, 5) for value in getattr(settings.data, key)]
        if own and key in settings.data.model_fields_set and max(map(abs, map(float.__sub__, own, given))) > 1e-4:
            yield f"data.{key}", f"{own}", f"{given}"

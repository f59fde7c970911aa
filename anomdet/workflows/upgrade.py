"""``anomdet upgrade``: an older checkpoint to one that stands alone; or any to other thresholds or views."""

from __future__ import annotations

import ast
import copy
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.config.load import SettingsSource
from anomdet.errors import Problem, UserError
from anomdet.workflows.runs.mmdet_config import class_names
from anomdet.workflows.runs.run_config import Run, load_run

if TYPE_CHECKING:  # their types cost torch
    from anomdet.engine.checkpoint import CheckpointFile
    from anomdet.inference.artifact import Artifact

_ALL_BITS = 16  # earlier versions took 16 bit images to use all of them
_RUN_FILES = ("custom_backbone_file", "custom_model_file")


def upgrade(
    checkpoint: str | os.PathLike[str],
    settings: SettingsSource,
    overrides: Sequence[str] = (),
    *,
    out: str | os.PathLike[str],
) -> Path:
    """Write a checkpoint again, with the document of its detector in it.

    The network is built from the settings and must take all the weights. Its normalisation and image size are those of
    the config inside the checkpoint, where it has one. Of one that is up to date, the test-time augmentation
    (``evaluation.tta``) and the criterion of the thresholds (``evaluation.operating_point``) can be changed: the
    thresholds are then chosen again on the validation split. ``metrics.score_threshold`` fixes them.

    Args:
        checkpoint: of an earlier version, or with other thresholds or views than the settings; it stays as it is.
        settings: of its training: a YAML file, a Python config, a dict or :class:`anomdet.Settings`.
        overrides: ``key=value`` each.
        out: the new file; nothing may be there.

    Returns:
        The new file.

    Raises:
        UserError: the checkpoint or the settings are wrong or do not belong together, or the new file is there.

    >>> upgrade("best_model.pth", "logs/settings.yaml", out="new.pth")  # doctest: +SKIP
    """
    path, target = Path(checkpoint).expanduser(), Path(out).expanduser()
    if target.exists():
        raise UserError(Problem("--out", "a new file", f"{target}, which is there", "choose another name"))
    run = load_run(settings, overrides)
    from anomdet.workflows.runs.libraries import load_libraries

    load_libraries()
    from anomdet.engine.checkpoint import read_checkpoint, save_atomically
    from anomdet.engine.plain_state import to_plain

    file = read_checkpoint(path)
    if file.meta.inference is None:
        content = _standing_alone(run, file)
    else:
        from anomdet.workflows.choose_again import chosen_again

        content = chosen_again(run, file)
    save_atomically(to_plain(content, "", []), target)
    return target


def _standing_alone(run: Run, file: CheckpointFile) -> dict[str, Any]:
    """The content of a checkpoint with the document of its detector."""
    names = class_names(file, run.config)
    with run.blamed():
        document = _document(run, file, names)
    _check_network(run, document, file)
    classes = {"class_nums": list(names), "classes": list(names.values())}
    stored = file.content.get("meta", {})
    meta = {**stored, "dataset_meta": {**stored.get("dataset_meta", {}), **classes}, "inference": document.to_dict()}
    return {**file.content, "meta": meta}


def _document(run: Run, file: CheckpointFile, names: dict[int, str]) -> Artifact:
    from anomdet.fields import from_mapping
    from anomdet.inference.artifact import Artifact, OperatingPoint
    from anomdet.workflows.runs.build import complete_without_data
    from anomdet.workflows.runs.describe import NotDescribedError, describe

    config = complete_without_data(run.config, names)
    _prepare_as_stored(config, file)
    try:
        document = describe(config, run.settings, file.meta.split_hashes).to_dict()
    except NotDescribedError as error:
        raise UserError(Problem(str(run.path), "a config whose detector can stand alone", str(error))) from error
    chosen = file.meta.operating_point or {}
    if isinstance(chosen.get("point"), dict):
        content = {**chosen["point"], "criterion": chosen.get("criterion", {})}
        from_mapping(OperatingPoint, content, f"{file.path}: meta.operating_point")
        document["operating_point"] = content
    return Artifact.from_dict(document, f"{file.path}: inference")


def _check_network(run: Run, document: Artifact, file: CheckpointFile) -> None:
    """The weights must be those of the network that the settings describe."""
    from anomdet.engine.checkpoint import load_weights
    from anomdet.inference.backends.torch import build_model

    model = run.settings.model if run.settings is not None else None
    files = [getattr(model, key) for key in _RUN_FILES if model is not None and getattr(model, key)]
    network = build_model(document.model, str(file.path), files[0] if files else None)
    load_weights(network, file.content, file.path, strict=True)


def _has_ours(pipeline: list[Any]) -> bool:
    """Whether a pipeline is one of AnomDet's; MMDetection's is taken as the config of the run translates it."""
    return any(str(step.get("type")).startswith("anomdet.") for step in pipeline)


def _prepare_as_stored(config: Any, file: CheckpointFile) -> None:
    """Take normalisation and pipeline from the config inside the checkpoint; it is read as data, never run."""
    from mmengine.config import ConfigDict

    from anomdet.workflows.runs.bit_depth import take_bit_depth

    stored = stored_values(file.meta.cfg, ("model", "test_dataloader"))
    given = copy.deepcopy((config.model.get("data_preprocessor"), config.test_dataloader.dataset.pipeline))
    preprocessor = (stored.get("model") or {}).get("data_preprocessor")
    pipeline = ((stored.get("test_dataloader") or {}).get("dataset") or {}).get("pipeline")
    if isinstance(preprocessor, dict):
        config.model.data_preprocessor = ConfigDict(preprocessor)
    if isinstance(pipeline, list) and all(isinstance(step, dict) for step in pipeline) and _has_ours(pipeline):
        config.test_dataloader.dataset.pipeline = [ConfigDict(step) for step in pipeline]
    steps = config.test_dataloader.dataset.pipeline
    known = next((step.bit_depth for step in steps if isinstance(step.get("bit_depth"), int)), _ALL_BITS)
    take_bit_depth(config, known, file.path)
    now = (config.model.get("data_preprocessor"), config.test_dataloader.dataset.pipeline)
    if _plain(now) != _plain(given):
        logging.getLogger("anomdet").warning(
            f"{file.path}: the normalisation or image size of its training is used, which differs from the settings"
        )
    if not isinstance(preprocessor, dict) or not isinstance(pipeline, list):
        logging.getLogger("anomdet").warning(
            f"{file.path}: it does not say how its images were prepared; the settings are taken to be its own"
        )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key != "bit_depth"}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def stored_values(text: str, names: Sequence[str]) -> dict[str, Any]:
    """Variables of a config in Python, as far as they are made of ``dict(...)``, lists, tuples and constants.

    >>> stored_values("a = dict(b=[1, (2, None)])\\nc = open('x')", ("a", "c"))
    {'a': {'b': [1, (2, None)]}}
    """
    found = {}
    try:
        statements = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    for statement in statements:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            try:
                found.update({name: _value(statement.value)} if name in names else {})
            except (ValueError, RecursionError):
                continue
    return found


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        return {str(keyword.arg): _value(keyword.value) for keyword in node.keywords}
    if isinstance(node, ast.Dict):
        return {ast.literal_eval(key): _value(value) for key, value in zip(node.keys, node.values, strict=True) if key}
    if isinstance(node, ast.List):
        return [_value(item) for item in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_value(item) for item in node.elts)
    return ast.literal_eval(node)

"""A checkpoint with thresholds chosen anew: by another criterion, or for another test-time augmentation."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.errors import Problem, UserError
from anomdet.inference.artifact import Artifact
from anomdet.layout import VAL
from anomdet.workflows.data_folder.other_names import warn_of_other_names
from anomdet.workflows.evaluate import Loaded, build_tester, with_checkpoint
from anomdet.workflows.runs.describe import fixed_point
from anomdet.workflows.runs.own_metric import own_metric, wanted_criterion
from anomdet.workflows.runs.run_config import Run, has_no_network
from anomdet.workflows.runs.views import views_of

if TYPE_CHECKING:
    from anomdet.engine.checkpoint import CheckpointFile


def chosen_again(run: Run, file: CheckpointFile) -> dict[str, Any]:
    """The content of a checkpoint with the views of ``evaluation.tta`` and thresholds as the settings ask for them.

    They are chosen on the validation split by ``evaluation.operating_point``, or stand in ``metrics.score_threshold``.

    Args:
        run: the settings of its training, changed in what is to be chosen.
        file: the checkpoint; it stands alone.

    Raises:
        UserError: it is as the settings ask for already, or anything wrong with settings and data.
    """
    from anomdet.evaluation.operating_point import given

    if not _asks_for_more(run, file):
        raise _up_to_date(file.path)  # before the data is looked for: nothing of it is needed
    with run.blamed():
        loaded = with_checkpoint(run, VAL, file.path)
    if loaded.as_trained and _point_of(file) == _asked(loaded.config):
        raise _up_to_date(file.path)
    views, content = views_of(loaded.config), loaded.file.content
    document = {**content["meta"]["inference"], "tta": None if views is None else asdict(views)}
    meta = {**content["meta"], "inference": document}
    if (fixed := fixed_point(loaded.config.test_evaluator)) is not None:
        with run.blamed():
            given(own_metric(loaded.config).score_threshold, loaded.file.meta.dataset_meta.class_nums)  # every class
        meta.pop("operating_point", None)
        document["operating_point"] = asdict(fixed)
        return {**content, "meta": meta}
    chosen = _chosen(run, loaded)
    document["operating_point"] = {**chosen["point"], "criterion": chosen["criterion"]}
    return {**content, "meta": {**meta, "operating_point": chosen}}


def _chosen(run: Run, loaded: Loaded) -> dict[str, Any]:
    """The operating point and its criterion, chosen on the validation split."""
    with run.blamed():
        runner = build_tester(loaded.config, loaded.file)
    warn_of_other_names(runner, loaded)
    logging.getLogger("anomdet").info(f"choosing the operating point on the {VAL} split")
    with run.blamed():
        runner.test()
    chosen: dict[str, Any] = runner.test_evaluator.metrics[0].chosen_point()
    return chosen


def _asks_for_more(run: Run, file: CheckpointFile) -> bool:
    """Whether the settings name views, or another way to the thresholds than the checkpoint's."""
    if has_no_network(run.config):
        return False
    names_views = run.config.get("tta") is not None or views_of(run.config) is not None
    return names_views or _point_of(file) != _asked(run.config)


def _asked(config: Any) -> dict[str, Any]:
    """The criterion of the settings, or the point that they fix."""
    fixed = fixed_point(config.test_evaluator)
    return asdict(fixed) if fixed is not None else wanted_criterion(own_metric(config)).as_dict()


def _point_of(file: CheckpointFile) -> dict[str, Any]:
    """The same of a checkpoint; empty: it has neither."""
    point = Artifact.from_dict(file.meta.inference, f"{file.path}: inference").operating_point
    return {} if point is None else dict(point.criterion) or asdict(point)


def _up_to_date(path: Path) -> UserError:
    hint = "change evaluation.tta, evaluation.operating_point or metrics.score_threshold"
    return UserError(Problem(str(path), "a checkpoint of an earlier version", "one that is up to date", hint))

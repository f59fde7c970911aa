"""Another test-time augmentation for a checkpoint: the thresholds are chosen again, as they hold for its own alone."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anomdet.errors import Problem, UserError
from anomdet.workflows.evaluate import build_tester, own_metric, with_checkpoint
from anomdet.workflows.run_config import Run
from anomdet.workflows.views import views_of


def with_other_views(run: Run, path: Path) -> dict[str, Any]:
    """The content of a checkpoint with the views of ``evaluation.tta``, its thresholds chosen on the validation split.

    Args:
        run: the settings of its training, with the views that it is to have.
        path: of the checkpoint.

    Raises:
        UserError: it has these views already, or anything wrong with settings and data.
    """
    from dataclasses import asdict

    from anomdet.layout import VAL

    if run.config.get("tta") is None and views_of(run.config) is None:
        raise _up_to_date(path)  # before the data is looked for: nothing of it is needed
    with run.blamed():
        loaded = with_checkpoint(run, VAL, path)
        if loaded.as_trained:
            raise _up_to_date(path)
        runner = build_tester(loaded.config, loaded.file)
    logging.getLogger("anomdet").info(f"choosing the operating point on the {VAL} split")
    with run.blamed():
        runner.test()
    views, content = views_of(loaded.config), loaded.file.content
    document = {**content["meta"]["inference"], "tta": None if views is None else asdict(views)}
    meta = {**content["meta"], "inference": document}
    chosen = runner.test_evaluator.metrics[0].chosen_point()
    if chosen is not None:
        meta["operating_point"] = chosen
        document["operating_point"] = {**chosen["point"], "criterion": chosen["criterion"]}
    else:
        document["operating_point"] = _fixed(own_metric(loaded.config).score_threshold)
    return {**content, "meta": meta}


def _up_to_date(path: Path) -> UserError:
    hint = "evaluation.tta=true gives it test-time augmentation"
    return UserError(Problem(str(path), "a checkpoint of an earlier version", "one that is up to date", hint))


def _fixed(score_threshold: Any) -> dict[str, Any]:
    """As the settings have it, which no views change."""
    per_class = score_threshold if isinstance(score_threshold, Mapping) else None
    point = {"by": "fixed", "chosen_on": "settings", "score_threshold": None if per_class else score_threshold}
    return {**point, "per_class": None if per_class is None else {int(num): x for num, x in per_class.items()}}

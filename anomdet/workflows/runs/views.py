"""``evaluation.tta`` in a config: put into the loaders and loops, or taken from the checkpoint that is tested."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anomdet.errors import Problem, UserError
from anomdet.views import Views
from anomdet.workflows.runs.tiles import COLLATE, FIT, PACK, PACK_IMAGE, TESTED

PACK_VIEWS = "anomdet.PackViews"
_MERGE = "anomdet.MergeViews"


def views_of(config: Any) -> Views | None:
    """Of a complete config; None: it looks once."""
    last = (config.test_dataloader.dataset.get("pipeline") or [{}])[-1]
    return _views(last.get("views"))


def _views(given: Mapping[str, Any] | bool | None) -> Views | None:
    """Of the arguments in a config; None and false: none."""
    if not given:
        return None
    assert isinstance(given, Mapping)
    return Views(tuple(given.get("flips", ())), tuple(float(scale) for scale in given.get("scales", ())))


def put_views(config: Any) -> None:
    """Validate and test in the views of ``config.tta``, in place; after the tiles.

    Raises:
        UserError: a pipeline of another kind.
    """
    views = _views(config.get("tta"))
    if views is None or views_of(config) is not None:
        return
    given = dict(flips=list(views.flips), scales=list(views.scales))
    for name, loop in TESTED:
        loader = config[name]
        pipeline = loader.dataset.pipeline
        kinds = [step.type for step in pipeline]
        if kinds[-2:] == [FIT, PACK_IMAGE]:
            fit, pack = pipeline[-2:]
            step = dict(type=PACK_VIEWS, size_hw=fit.size_hw, meta_keys=pack.meta_keys, views=given)
            loader.dataset.pipeline = [*pipeline[:-2], step]
            loader.collate_fn = dict(type=COLLATE)
        elif kinds[-1:] == [PACK]:
            pipeline[-1].views = given
        else:
            expected = f"a pipeline that ends with {FIT}, {PACK_IMAGE}"
            raise UserError(Problem("evaluation.tta", expected, ", ".join(map(str, kinds))))
        config[loop].views = dict(type=_MERGE, **given)


def _take_views_off(config: Any) -> None:
    """What :func:`put_views` did is undone, in place."""
    for name, loop in TESTED:
        loader = config[name]
        *before, last = loader.dataset.pipeline
        if last.type == PACK_VIEWS:
            fit, pack = dict(type=FIT, size_hw=last.size_hw), dict(type=PACK_IMAGE, meta_keys=last.meta_keys)
            loader.dataset.pipeline = [*before, fit, pack]
            loader.pop("collate_fn", None)
        last.pop("views", None)
        config[loop].pop("views", None)


def take_views(config: Any, trained: Views | None, path: Path) -> bool:
    """Put a checkpoint's views, or those that the settings want in their place, into a config that is to test it.

    In place, before the config is completed.

    Args:
        config: of the settings.
        trained: the checkpoint's.
        path: of the checkpoint.

    Returns:
        Whether they are the checkpoint's.
    """
    wanted = config.pop("tta", None)
    if (given := views_of(config)) is not None:
        wanted = wanted if wanted is not None else dict(flips=given.flips, scales=given.scales)
        _take_views_off(config)
    views = trained if wanted is None else _views(wanted)
    if views is not None:
        config.tta = dict(flips=list(views.flips), scales=list(views.scales))
    if views != trained:
        logging.getLogger("anomdet").warning(
            f"evaluation.tta: {views or 'none'}, but {path} has {trained or 'none'}, which predict and export go by; "
            f"anomdet upgrade {path} --config run.yaml --out NEW.pth puts it into a checkpoint"
        )
    return views == trained


def views_fact(config: Any) -> dict[str, str]:
    """What ``about`` in metrics.json says of them; empty: there are none."""
    views = views_of(config)
    return {} if views is None else {"tta": str(views)}


def note_on_views(config: Any) -> str:
    """What the views of a run cost, for the log; empty: it has none."""
    views = views_of(config)
    if views is None:
        return ""
    passes = len(views.plan)
    return f"evaluation.tta: {views}: each validation and each prediction costs {passes} times the network"

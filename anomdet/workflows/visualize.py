"""``anomdet visualize``: ground truth and predictions side by side, one drawing an image."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anomdet.errors import Problem, UserError
from anomdet.layout import CONTACT_SHEET, IMAGES_DIR, VISUALIZATION_DIR
from anomdet.output_rule import check_apart, data_folders, make_room
from anomdet.run_lock import one_run_in
from anomdet.words import counted
from anomdet.workflows.runs.bit_depth import bit_depth_of
from anomdet.workflows.runs.own_metric import own_metric
from anomdet.workflows.runs.run_config import has_no_network, load_run
from anomdet.workflows.scores.in_checkpoint import with_unseen

ERRORS = "errors"
_JPG = re.compile(r".*\.jpg")


def visualize(
    config_path: str | Path,
    overrides: Sequence[str] = (),
    *,
    split: str = "test",
    checkpoint: str | Path | None = None,
    out: str | Path | None = None,
    limit: int = 32,
    only: str | None = None,
) -> list[Path]:
    """Draw up to ``limit`` images of a split, spread evenly over it, and a contact sheet.

    Args:
        config_path, overrides, split, checkpoint, out: as evaluate's.
        limit: images at most.
        only: ``errors``: only images with a wrong verdict, a missed object or a false box, escapes first.

    Returns:
        The contact sheet and the folder of the drawings.

    Raises:
        UserError: anything wrong with what the user gave.
    """
    check_limit(limit)
    if only not in (None, ERRORS):
        raise UserError(Problem("--only", ERRORS, repr(only)))
    run = load_run(config_path, overrides)
    from anomdet.workflows.runs.libraries import load_libraries

    load_libraries()
    from anomdet.workflows.evaluate import output_folder, with_checkpoint

    with run.blamed():
        loaded = with_checkpoint(run, split, checkpoint)
        config = loaded.config
        _check_boxes(loaded)
        folder = output_folder(config, out or Path(config.work_dir) / VISUALIZATION_DIR, [CONTACT_SHEET])
    with one_run_in({"--out": folder}):
        with run.blamed():
            runner, drawn = _predict(loaded, None if only else limit)
        measured = runner.test_evaluator.metrics[0].last
        if measured is None:  # not the first process
            return []
        images_dir = Path(config.test_dataloader.dataset.data_root) / IMAGES_DIR

        def chosen(measured: Any) -> list[int]:
            return errors_first(measured)[:limit] if only else drawn

        measured = with_unseen(measured, loaded.file, images_dir, bit_depth_of(config), chosen)
        pictures = _draw_all(measured, chosen(measured), config, folder)
    scores = _thresholds(measured)
    runner.logger.info(f"drew {counted(len(pictures), 'image')} of the {split} split; score >= {scores}")
    return [folder / CONTACT_SHEET, folder] if pictures else [folder]


def _check_boxes(loaded: Any) -> None:
    """What is drawn are boxes with their verdict: refuse a checkpoint without any, name a normal-only score."""
    hint = "`anomdet predict --save pictures` draws what is unlike normal parts"
    if has_no_network(loaded.config):
        raise UserError(Problem(str(loaded.file.path), "a checkpoint that reports boxes", "one of no class", hint))


def _predict(loaded: Any, limit: int | None) -> tuple[Any, list[int]]:
    """A Runner that has predicted up to ``limit`` images of the split with all images of their parts, or all of it.

    Returns:
        The Runner; and which of the predicted images are to be drawn.
    """
    from anomdet.workflows.data_folder.other_names import warn_of_other_names
    from anomdet.workflows.evaluate import build_tester, set_operating_point
    from anomdet.workflows.runs.other_splits import warn_of_other_splits

    set_operating_point(loaded)
    group_by, drawn = own_metric(loaded.config).get("group_by"), []
    if limit is not None:
        drawn = _thin_out(loaded.config.test_dataloader.dataset, limit, group_by)
    if isinstance(loaded.config.test_evaluator, list):  # metrics.extra: evaluate's files of all images must stay
        loaded.config.test_evaluator = loaded.config.test_evaluator[0]
    runner = build_tester(loaded.config, loaded.file)
    warn_of_other_splits(runner, loaded)
    warn_of_other_names(runner, loaded)
    runner.test()
    return runner, drawn


def _thresholds(measured: Any) -> str:
    """``0.3``, or ``scratch 0.2, dent 0.4`` where each class has its own."""
    found = [f"{score_thr:.3g}" for score_thr in measured.score_thrs.tolist()]
    if measured.point.per_class is None:
        return found[0]
    return ", ".join(f"{name} {value}" for name, value in zip(measured.results.unique_names, found, strict=True))


def check_limit(limit: int) -> None:
    """Refuse a number of drawings below 1."""
    if limit < 1:
        raise UserError(Problem("--limit", "an integer >= 1", str(limit)))


def _thin_out(dataset: Any, limit: int, group_by: str | None) -> list[int]:
    """Keep ``limit`` images of a data set's config, evenly spread, and the others of their parts, which decide too.

    Returns:
        Positions of the ``limit`` images among those that are kept.
    """
    import numpy as np
    from mmdet.registry import DATASETS
    from mmengine.registry import DefaultScope

    from anomdet.evaluation.results import part_names

    with DefaultScope.overwrite_default_scope("mmdet"):
        whole = DATASETS.build({**dataset, "pipeline": [], "lazy_init": True})
    total = len(whole.positions)
    drawn = kept = np.unique(np.linspace(0, total - 1, min(limit, total)).round().astype(int))
    if group_by:
        parts = np.array(part_names([whole.index.columns.file_name(int(at)) for at in whole.positions], group_by))
        kept = np.flatnonzero(np.isin(parts, parts[drawn]))
    dataset.indices = kept.tolist()
    return list(np.searchsorted(kept, drawn).tolist())


def errors_first(measured: Any) -> list[int]:
    """Images with a wrong verdict, a missed object or a false box: escapes, then overkill, then the others."""
    import numpy as np

    from anomdet.evaluation.counts import count

    results = measured.results
    out = measured.rejected[results.part_of_image]
    defective = measured.parts.defective[results.part_of_image]
    images = count(results, measured.matches, measured.score_thrs)[0]
    wrong_boxes = (images.num_matched < images.num_gt) | (images.num_matched < images.num_predictions)
    rank = np.select([defective & ~out, ~defective & out, wrong_boxes], [0, 1, 2], 3)
    order = np.argsort(rank, kind="stable")
    chosen: list[int] = order[rank[order] < 3].tolist()
    return chosen


def _verdicts(measured: Any) -> list[tuple[str, str]]:
    """For each image the line above it and ``accept`` or ``reject``: the verdict on the part that it shows."""

    results, unit = measured.results, measured.metrics["part_level"]["unit"]
    out = measured.rejected
    words = {
        (True, True): f"REJECT: the {unit} is defective",
        (True, False): f"ACCEPT, an escape: the {unit} is defective",
        (False, True): f"REJECT, overkill: the {unit} is good",
        (False, False): f"ACCEPT: the {unit} is good",
    }
    parts = results.part_of_image.tolist()
    return [
        (words[bool(measured.parts.defective[part]), bool(out[part])], "reject" if out[part] else "accept")
        for part in parts
    ]


def _draw_all(measured: Any, wanted: list[int], config: Any, folder: Path) -> list[Path]:
    from anomdet.evaluation.counts import kept
    from anomdet.images.decode import read_image
    from anomdet.visualization.color import class_colors
    from anomdet.visualization.sheets import comparison, contact_sheet
    from anomdet.visualization.verdict import with_verdict
    from anomdet.visualization.write import write_image

    results, data_root = measured.results, config.test_dataloader.dataset.data_root
    check_apart(folder, data_folders(data_root, results.file_names), "--out")
    names = [results.file_names[i] for i in wanted]
    jpg_names = _jpg_names(names)
    make_room(folder, [*jpg_names, CONTACT_SHEET], "--out", earlier=_JPG)
    images_dir, bit_depth = Path(data_root) / IMAGES_DIR, bit_depth_of(config)
    colors = class_colors(list(results.unique_names))
    shown = kept(results, measured.matches, measured.score_thrs)
    verdicts = _verdicts(measured)
    pictures, paths = [], []
    for i, file_name, jpg_name in zip(wanted, names, jpg_names, strict=True):
        rows = (results.pred.image == i) & shown
        left = _objects(results.gt, results.gt.image == i, results.unique_names)
        right = _objects(results.pred, rows, results.unique_names, results.pred.score[rows].tolist())
        path = images_dir / file_name
        image = read_image(path, max_megapixels=None, bit_depth=bit_depth)  # the data set has checked its size
        picture = _beside_heat(comparison(image, left, right, title=file_name, colors=colors), image, measured, i)
        picture = with_verdict(picture, *verdicts[i])
        path = folder / jpg_name
        write_image(path, picture)
        pictures.append(picture)
        paths.append(path)
    if not pictures:
        return []
    write_image(folder / CONTACT_SHEET, contact_sheet(pictures[:12], columns=2, cell_px=900))
    return paths


def _beside_heat(picture: Any, image: Any, measured: Any, at: int) -> Any:
    """With the heat map of the normal-only score on the right, where there is one."""
    verdicts = measured.verdicts
    if verdicts is None or at not in verdicts.cell_ratios:
        return picture
    from anomdet.images.heat import heat
    from anomdet.visualization.sheets import side_by_side

    caption = f"unlike normal: {verdicts.image_ratio[at]:.2f} x threshold"
    return side_by_side(picture, heat(image, verdicts.cell_ratios[at]), ("", caption))


def _jpg_names(file_names: Sequence[str]) -> list[str]:
    """A drawing's for each image; those that would share one, as of ``a/b.png`` and ``a__b.png``, are numbered."""
    from anomdet.outputs import fitting_stem

    names: dict[str, None] = {}
    for file_name in file_names:
        stem = Path(file_name).with_suffix("").as_posix().replace("/", "__")
        ends = (".jpg" if at == 1 else f"~{at}.jpg" for at in itertools.count(1))
        names[next(name for end in ends if (name := f"{fitting_stem(stem, len(end))}{end}") not in names)] = None
    return list(names)


def _objects(boxes: Any, rows: Any, names: list[str], scores: list[float] | None = None) -> Any:
    from anomdet.boxes import xywh_to_xyxy
    from anomdet.visualization.sheets import Objects

    labels = [names[label] for label in boxes.label[rows].tolist()]
    return Objects(xywh_to_xyxy(boxes.bboxes_xywh[rows]), labels, scores)

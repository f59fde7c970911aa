"""``anomdet check --report FILE``: the health of the data as one page. Imports no torch."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from anomdet.errors import Problem, UserError
from anomdet.layout import IMAGES_DIR
from anomdet.output_rule import PAGE_MARK, check_apart, check_names, data_folders

if TYPE_CHECKING:
    from anomdet.config.schema import Settings
    from anomdet.config.schema_data import DataSettings
    from anomdet.quality.check.check import Checked
    from anomdet.quality.check.findings import Finding
    from anomdet.quality.health.plan import Plan

DEFAULT_NAME = "health.html"
# What the numbers beside the page begin with: another file of that name is the user's.
_NUMBERS = re.compile(rb'\A\{"version": \d+, "verdict": ')
_RPN = ("fasterrcnn_resnet50_fpn", "faster_rcnn", "cascade_rcnn")
_ANCHORED = (*_RPN, "retinanet")


def page_path(report: Path, data_dir: Path) -> Path:
    """Where the page goes: the file, or ``health.html`` in a folder, which may be a new one.

    Raises:
        UserError: the file's folder is not there, the page would lie among the images or labels, or it or its numbers
            would take the place of something else than an earlier report.
    """
    is_folder = report.is_dir() or not (report.suffix or report.exists())
    path = report / DEFAULT_NAME if is_folder else report
    if not is_folder and not path.parent.is_dir():
        raise UserError(Problem(f"--report {report}", "a file to write", "one in a folder that is not there"))
    if path.suffix.lower() not in (".html", ".htm"):
        raise UserError(Problem(f"--report {report}", "a name that ends in .html, or a folder", repr(path.name)))
    check_apart(path, data_folders(data_dir), "--report")
    check_names(path.parent, _marks(path), "--report", marks=_marks(path))
    return path


def _marks(path: Path) -> dict[str, re.Pattern[bytes]]:
    return {path.name: PAGE_MARK, path.with_suffix(".json").name: _NUMBERS}


def write_page(
    checked: Checked, findings: list[Finding], config: Path | None, settings: Settings | None, path: Path
) -> tuple[list[Path], str]:
    """Write the page, and its numbers as JSON beside it; what was there is moved aside.

    Args:
        checked: the data set.
        findings: of the check, the worst first.
        config: the file of the settings; None: there is none.
        settings: how the data would be used; None: the defaults.
        path: of the page.

    Returns:
        The two files, and a sentence on what was moved, or an empty one.
    """
    from anomdet.config.schema import Settings
    from anomdet.images.decode import read_image
    from anomdet.output_rule import make_room
    from anomdet.outputs import make_folder, write_text
    from anomdet.quality.health.report import measure_health
    from anomdet.report.health_page import write_health_page

    used = settings or Settings()
    plan = plan_of(used, checked.data_dir, known=settings is not None)
    health = measure_health(checked, findings, plan)
    if used.evaluation.review:
        health["suspected_labels"] = _suspected(checked, plan, Path(used.evaluation.review))
    health["about"] = _about(checked.data_dir, config, settings)
    numbers = path.with_suffix(".json")
    make_folder(path.parent, "--report")
    moved = make_room(path.parent, _marks(path), "--report", marks=_marks(path))
    write_text(numbers, json.dumps(health, allow_nan=False, ensure_ascii=True) + "\n")
    images = checked.data_dir / IMAGES_DIR

    def read_rgb(name: str) -> Any:
        return read_image(images / name, max_megapixels=None, bit_depth=checked.bit_depth)[..., ::-1]

    write_health_page(health, path, read_image=read_rgb)
    return [path, numbers], f"an earlier report was moved to {moved}" if moved else ""


def _suspected(checked: Checked, plan: Plan, review: Path) -> dict[str, Any]:
    """What a review says about these labels."""
    from anomdet.quality.health.table import make_table
    from anomdet.workflows.evaluations.suspected import read_known, sentence, to_numbers

    table = make_table(checked, plan)
    names = [file.name for file in table.files]
    numbers = to_numbers(read_known(review, names, table.image_at, table.class_nums, table.bboxes_xywh), review)
    return {**numbers, "text": sentence(numbers)}


def plan_of(settings: Settings, data_dir: Path, *, known: bool) -> Plan:
    """What the settings say; the splits only where they were given.

    Args:
        settings: of a run.
        data_dir: holds images/ and labels/.
        known: the settings are the user's, not the defaults.
    """
    from anomdet.config.schema import effective_model_name
    from anomdet.config.translate_data import size_hw
    from anomdet.quality.health.plan import Plan
    from anomdet.quality.propose.machine import look
    from anomdet.quality.propose.network import preset_of

    data, imbalance = settings.data, settings.training.class_imbalance_handling
    model = effective_model_name(settings)
    split_of, note = _splits(settings, data_dir) if known else (None, "Give --config to see the splits.")
    return Plan(
        size_hw=size_hw(data.image_size),
        model=model,
        anchored=model in _ANCHORED and "anchor_generator" not in str(settings.model.overrides),
        imbalance=imbalance.method,
        normal_ratio=imbalance.normal_ratio,
        classes=data.classes,
        missing_labels=data.missing_labels,
        split_of=split_of,
        ratios=(data.train_split, data.val_split, data.test_split) if known and data.split_files is None else None,
        splits_note=note,
        tiles=_tiles(data),
        preset=preset_of(look()),
    )


def _tiles(data: DataSettings) -> tuple[int, int] | Literal["auto"] | None:
    from anomdet.config.translate_data import size_hw

    tiles = data.tiles
    return tiles if tiles is None or tiles == "auto" else size_hw(tiles.size or data.image_size)


def _splits(settings: Settings, data_dir: Path) -> tuple[dict[str, str] | None, str]:
    """File name to split, as the training would draw them; or why that is not known."""
    from anomdet.workflows.data_folder.planned_splits import planned_splits

    splits, note = planned_splits(settings.data, data_dir)
    return (None if splits is None else {name: split for split, names in splits.items() for name in names}), note


def _about(data_dir: Path, config: Path | None, settings: Settings | None) -> dict[str, Any]:
    from anomdet.config.dump import dump_yaml
    from anomdet.workflows.runs.provenance import now, versions

    return {
        "title": f"Data health: {data_dir.resolve().name}",
        "data_dir": str(data_dir.resolve()),
        "config": None if config is None else str(config),
        "created": now(),
        "versions": versions(("numpy", "opencv-python-headless")),
        "settings": None if settings is None else dump_yaml(settings),
    }

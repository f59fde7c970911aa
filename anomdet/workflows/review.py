"""``anomdet review``: which labels are probably wrong, and a corrected copy by a person's decisions."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.config.load import SettingsSource
from anomdet.errors import Problem, UserError
from anomdet.layout import REVIEW, REVIEW_PAGE, SUSPECTS_CSV
from anomdet.ranks import num_processes

if TYPE_CHECKING:
    from anomdet.config.schema import Settings
    from anomdet.data.index.scan import DataIndex
    from anomdet.quality.review.corrected import Corrected
    from anomdet.quality.review.errors import LabelErrors

FEWEST_FOLDS, MOST_FOLDS = 2, 20
_log = logging.getLogger("anomdet")


@dataclass(frozen=True)
class Review:
    """What a review found.

    Args:
        document: the content of review.json.
        written: the files worth opening.
        text: for the console.
    """

    document: Mapping[str, Any] = field(default_factory=dict)
    written: list[Path] = field(default_factory=list)
    text: str = ""


def review(
    settings: SettingsSource,
    overrides: Sequence[str] = (),
    *,
    out: str | Path,
    checkpoint: str | Path | None = None,
    minutes: float | None = None,
    folds: int = 4,
) -> Review:
    """Find labels that are probably wrong, by detectors that did not learn from them.

    Args:
        settings: a YAML file, a dict or :class:`anomdet.Settings`.
        overrides: ``key=value`` each.
        out: a new or empty folder.
        checkpoint: review only the splits that it did not learn from; None: train one detector for each fold.
        minutes: for all folds together; None: each fold trains as the settings say.
        folds: from 2 to 20; each image is predicted by the detector that learned from the other folds.

    Raises:
        UserError: anything wrong with what the user gave.

    >>> anomdet.review("run.yaml", minutes=20, out="review").document["kinds"]  # doctest: +SKIP
    """
    if not FEWEST_FOLDS <= folds <= MOST_FOLDS:
        raise UserError(Problem("--folds", f"an integer from {FEWEST_FOLDS} to {MOST_FOLDS}", str(folds)))
    if minutes is not None and not minutes > 0:
        raise UserError(Problem("--minutes", "a number > 0", f"{minutes:g}"))
    if num_processes() > 1:
        raise UserError(Problem("review", "one process", f"{num_processes()}", "run it without torchrun"))
    loaded, index, out_dir = prepared(settings, overrides, Path(out))
    from anomdet.quality.review.errors import find_label_errors
    from anomdet.workflows.reviews.out_of_fold import predict_by_checkpoint, predict_by_folds

    if checkpoint is not None:
        collected = predict_by_checkpoint(loaded, index, Path(checkpoint))
        out_dir.mkdir(parents=True, exist_ok=True)
    else:
        collected = predict_by_folds(loaded, index, out_dir, num_folds=folds, minutes=minutes)
    for name, error in collected.failed.items():
        _log.warning(f"{name} is not reviewed: {error}")
    results, second = collected.table()
    about = {
        "data_dir": str(index.data_dir),
        "model": loaded.model.name,
        "checkpoint": None if checkpoint is None else str(checkpoint),
        "folds": None if checkpoint is not None else folds,
        "looks": collected.looks,
        "second_opinions": int(second.asked.sum()),
        "not_reviewed": sorted(collected.failed),
    }
    return _written(find_label_errors(results, second=second), about, index, out_dir)


def prepared(
    settings: SettingsSource, overrides: Sequence[str], out: Path, sources: Sequence[Path] = ()
) -> tuple[Settings, DataIndex, Path]:
    """The settings, the checked data, and a folder that is free and apart from the data and other sources.

    Raises:
        UserError: what is wrong with any of them.
    """
    if isinstance(settings, (str, Path)) and Path(settings).suffix == ".py":
        raise UserError(Problem("--config", "YAML settings, for review", str(settings)))
    from anomdet.config.load import load_settings
    from anomdet.output_rule import check_apart, check_new_folder, data_folders

    loaded = load_settings(settings, overrides)
    index = scan_data(loaded)
    check_new_folder(out, "--out")
    check_apart(out, [*data_folders(index.data_dir, index.columns.file_names()), *sources], "--out")
    return loaded, index, out


def scan_data(settings: Settings) -> DataIndex:
    """The data set of the settings.

    Raises:
        UserError: everything that is wrong with it; or a data set of a plug-in's.
    """
    from anomdet.data.index.scan import has_objects
    from anomdet.workflows.data_folder.beside_data import refuse_raw_data
    from anomdet.workflows.data_folder.index import index_of

    data = settings.data
    if data.dataset:
        raise UserError(Problem("data.dataset", "none, for review", repr(data.dataset)))
    refuse_raw_data(data.data_dir)
    index = index_of(data)
    if not has_objects(index) or settings.model.name is None:
        got = "a run of normal images alone" if has_objects(index) else "only empty files"
        raise UserError(Problem("labels/", "objects, whose labels a detector can review", got))
    return index


def _written(errors: LabelErrors, about: Mapping[str, Any], index: DataIndex, out_dir: Path) -> Review:
    from anomdet.outputs import csv_text, write_text
    from anomdet.quality.review.record import to_document, to_rows
    from anomdet.workflows.reviews.page import write_review_page

    document = to_document(errors, about)
    paths = [
        write_text(out_dir / REVIEW, json.dumps(document, indent=1, allow_nan=False) + "\n"),
        write_text(out_dir / SUSPECTS_CSV, csv_text(to_rows(document)).encode("utf-8", "backslashreplace").decode()),
        write_review_page(document, index, out_dir),
    ]
    return Review(document, paths, as_text(document, out_dir / REVIEW_PAGE))


def as_text(document: Mapping[str, Any], page: Path) -> str:
    """What the console shows of review.json's content."""
    lines = [f"{'kind':<12} {'suspects':>8} {'errors expected':>16}"]
    for name, kind in document["kinds"].items():
        expected = "unknown" if kind["assumed_rate"] is None else f"{kind['expected_errors']:.1f}"
        lines.append(f"{name:<12} {kind['num_suspects']:>8,} {expected:>16}")
    lines.append(
        f"{len(document['suspects']):,} suspects among {document['num_labels']:,} labels of "
        f"{document['num_images']:,} images; {_expected(document)}"
    )
    if blind := _blind(document["kinds"]):
        lines.append(blind)
    if document["hard_normals"]:
        lines.append(
            f"{len(document['hard_normals']):,} normal images on which the detector fires: see hard_normals in {REVIEW}"
        )
    lines.append(f"open {page}; decide there, export decisions.json, then: anomdet review --apply decisions.json")
    return "\n".join(lines)


def _expected(document: Mapping[str, Any]) -> str:
    """The errors that the labels probably have, of the kinds of which that can be said."""
    kinds = document["kinds"]
    known = {name: kind["expected_errors"] for name, kind in kinds.items() if kind["assumed_rate"] is not None}
    if not known:
        return "how many errors are to be expected is unknown"
    total = sum(known.values())
    share = total / document["num_labels"] if document["num_labels"] else 0.0
    of = "" if len(known) == len(kinds) else f" of the kinds {', '.join(known)}; of the others it is unknown"
    return f"about {total:.0f} errors expected ({share:.1%} of the labels){of}"


def _blind(kinds: Mapping[str, Any]) -> str:
    """A sentence where the detectors see none of the errors that were planted, whatever the labels hold."""
    of_detector = [kinds[name] for name in ("missing", "class", "box") if name in kinds]
    planted = sum(kind["num_planted"] for kind in of_detector)
    if not planted or any(kind["planted_found_share"] for kind in of_detector):
        return ""
    return (
        f"of {planted:,} errors that were planted to see what the detectors notice, they noticed none: they have "
        "learned too little to review these labels; give them more --minutes or training.epochs"
    )


def apply_decisions(
    settings: SettingsSource, overrides: Sequence[str] = (), *, decisions: str | Path, out: str | Path
) -> Corrected:
    """Write a corrected copy of the data by decisions.json; the data themselves stay as they are.

    Args:
        settings: a YAML file, a dict or :class:`anomdet.Settings`; they name the data.
        overrides: ``key=value`` each.
        decisions: the file that the page exported.
        out: a new or empty folder.

    Raises:
        UserError: the file is none of the page's, or it does not fit the data.

    >>> anomdet.apply_decisions("run.yaml", decisions="decisions.json", out="data_2").num_images  # doctest: +SKIP
    """
    from anomdet.documents import read_decisions
    from anomdet.quality.review.corrected import write_corrected

    path = Path(decisions)
    content = read_decisions(path)
    _, index, out_dir = prepared(settings, overrides, Path(out))
    return write_corrected(index, content, out_dir, str(path))

"""What the options of ``anomdet review`` ask for: suspected labels, a corrected copy, or what to label next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anomdet.errors import Problem, UserError
from anomdet.layout import CHANGES, HARD_NORMALS
from anomdet.workflows.review import apply_decisions, review
from anomdet.workflows.review_unlabelled import choose_to_label

# What a review does, by the option that asks for it: the first that is given decides; and the options that go with it.
_USED = {"apply": (), "unlabelled": ("checkpoint", "budget"), "checkpoint": (), "folds": ("minutes",)}


@dataclass(frozen=True)
class ReviewOptions:
    """The options of the command; see :func:`review`, :func:`apply_decisions` and :func:`choose_to_label`."""

    checkpoint: Path | None = None
    minutes: float | None = None
    folds: int = 4
    apply: Path | None = None
    unlabelled: Path | None = None
    budget: int = 100


def _check_together(options: ReviewOptions) -> None:
    """Options that would be ignored are refused."""
    usual = ReviewOptions()
    given = {name: value for name, value in vars(options).items() if value != getattr(usual, name)}
    way = next((name for name in _USED if name in given), "folds")
    problems = [
        Problem(f"--{name}", f"no value beside --{way}, which makes no use of it", str(value))
        if way in given
        else Problem(f"--{name}", "--unlabelled beside it", f"{value} alone")
        for name, value in given.items()
        if name not in (way, *_USED[way])
    ]
    if problems:
        raise UserError(problems)


def review_command(
    settings: Path, overrides: Sequence[str], out: Path, options: ReviewOptions
) -> tuple[str, list[Path]]:
    """``anomdet review``: what the console shows, and the files.

    Raises:
        UserError: anything wrong with what the user gave.
    """
    _check_together(options)
    if options.unlabelled is not None:
        chosen = choose_to_label(
            settings,
            overrides,
            unlabelled=options.unlabelled,
            budget=options.budget,
            out=out,
            checkpoint=options.checkpoint,
        )
        return chosen.text, chosen.written
    if options.apply is None:
        done = review(
            settings,
            overrides,
            out=out,
            checkpoint=options.checkpoint,
            minutes=options.minutes,
            folds=options.folds,
        )
        return done.text, done.written
    fixed = apply_decisions(settings, overrides, decisions=options.apply, out=out)
    removed = sum(change.action == "removed" for change in fixed.changes)
    added = sum(change.action == "added" for change in fixed.changes)
    text = f"{fixed.num_images:,} images; {removed:,} labels removed, {added:,} added; the data stay as they were"
    text = "\n".join([text, *fixed.notes])
    if fixed.num_hard_normals:
        text += (
            f"\n{fixed.num_hard_normals:,} confirmed hard normals in {HARD_NORMALS}; to draw them more often in "
            "training, set training.class_imbalance_handling.hard_normals, their share of the normal images"
        )
    return text, [fixed.out_dir, fixed.out_dir / CHANGES]

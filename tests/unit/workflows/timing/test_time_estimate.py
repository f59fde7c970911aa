"""What ``anomdet init`` says about the time of a run."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from anomdet.config.schema import Settings
from anomdet.engine.timing import Costs
from anomdet.errors import Problem, UserError
from anomdet.workflows.timing import time_estimate
from anomdet.workflows.timing.time_budget import Sizes, seconds_of
from anomdet.workflows.timing.time_estimate import HALF_AND_DOUBLE, time_notes

COSTS = Costs(step_s=0.5, val_image_s=0.1, save_s=1.0, num_steps=6, setup_s=12.0)
SIZES = Sizes(pass_images=75, val_images=30, batch_size=8)


def settings(**training) -> Settings:
    return Settings.model_validate({"training": {"epochs": 6, "val_interval": 4, **training}})


def test_all_parts_of_the_run_are_counted():
    steps, validations = 6 * 10, 2
    by_hand = 12 + steps * 0.5 + validations * (30 * 0.1 + 2 * 1.0) + 6 * 1.0
    assert seconds_of(6, steps, validations, COSTS, SIZES) == by_hand


def test_what_is_said(monkeypatch, caplog):
    monkeypatch.setattr(time_estimate, "time_here", lambda *_args, **_options: (COSTS, SIZES))
    with caplog.at_level(logging.INFO, logger="anomdet"):
        first, *others = time_notes(settings())
    assert "--no-timing" in caplog.text
    parts, end = first.split("; ")
    assert parts == "  time          about 58 s here: 60 steps of 0.50 s (mean of 6), 2 validations"
    assert end == "early stopping may end it sooner"
    assert [line.strip().partition(" ")[0] for line in others] == ["half", "--minutes"]
    longer = time_notes(settings(epoch_images=8000, early_stopping={"enabled": False}))[0]
    assert longer.startswith("  time          about 50 minutes here: 6,000 steps of 0.50 s") and "early" not in longer


def test_large_images_are_decoded_once(monkeypatch):
    """60 steps of 0.3 s in place of 0.5, and 20 s for the images."""
    monkeypatch.setattr(time_estimate, "time_here", lambda *_args, **_options: (COSTS, replace(SIZES, unread=75)))
    monkeypatch.setattr(time_estimate, "without_decoding", lambda *_args: (replace(COSTS, step_s=0.3), 20.0))
    assert time_notes(settings())[0].startswith("  time          about 66 s here: 60 steps of 0.30 s")


def test_a_run_that_cannot_be_timed_is_no_error(monkeypatch):
    def refuse(*_args, **_options):
        raise UserError(Problem("model.weights", "a file", "none"))

    monkeypatch.setattr(time_estimate, "time_here", refuse)
    assert time_notes(settings()) == ["! time          not timed: model.weights: expected a file, got none"]


def test_the_numbers_are_those_of_the_measurements():
    recipes = (Path(__file__).parents[4] / "docs/recipes.md").read_text(encoding="utf-8")
    for row in ("11,304 | bfloat16 | 14.2 | **0.622**", "23,328 | bfloat16 | 26.2 | **0.676**"):
        assert row in recipes
    assert "11,304" in HALF_AND_DOUBLE and "0.622" in HALF_AND_DOUBLE and "0.676" in HALF_AND_DOUBLE

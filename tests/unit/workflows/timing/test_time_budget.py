"""A budget of minutes as epochs: pure arithmetic on what the parts of a run take."""

from __future__ import annotations

import itertools
import math
import time

import cv2
import numpy as np
import pytest

from anomdet.config.load import load_settings
from anomdet.config.translate import to_mmengine
from anomdet.engine.timing import Costs
from anomdet.errors import UserError
from anomdet.workflows.runs.libraries import load_libraries
from anomdet.workflows.runs.run_config import load_run
from anomdet.workflows.timing import score_time, time_budget
from anomdet.workflows.timing.read_ahead import pays
from anomdet.workflows.timing.time_budget import PLANNED, Sizes, as_planned, plan, planned, timing_seconds, with_plan

COSTS = Costs(step_s=0.5, val_image_s=0.04, save_s=0.2, num_steps=12, setup_s=4)
SIZES = Sizes(pass_images=1296, val_images=144, batch_size=8)


def seconds_of(found, sizes, costs, elapsed_s) -> float:
    """Count a run's parts one by one, as the loop and the hooks do them."""
    total = elapsed_s + costs.setup_s
    for epoch in range(1, found.epochs + 1):
        total += math.ceil(found.epoch_images / sizes.batch_size) * costs.step_s + costs.save_s
        if epoch % found.val_interval == 0 or epoch == found.epochs:
            total += sizes.val_images * costs.val_image_s + 2 * costs.save_s
    return total


@pytest.mark.parametrize(
    ("minutes", "num_images", "step_s"), list(itertools.product([1, 5, 30, 300], [40, 1296, 100_000], [0.05, 0.5, 1.0]))
)
def test_the_parts_fill_the_budget(minutes, num_images, step_s):
    costs = Costs(step_s=step_s, val_image_s=0.04, save_s=0.2, setup_s=4)
    sizes = Sizes(pass_images=num_images, val_images=min(num_images // 5, 144), batch_size=8)
    found = plan(minutes * 60, costs, sizes, elapsed_s=9)
    total = seconds_of(found, sizes, costs, 9)
    assert total == pytest.approx(found.minutes * 60)
    assert 0.95 * minutes * 60 < total <= minutes * 60
    assert found.num_validations <= 10
    assert found.epoch_images % sizes.batch_size == 0


def test_validation_takes_a_small_part_unless_it_is_the_only_one():
    rare = plan(300, COSTS, SIZES)
    assert rare.num_validations == 2  # of 6 s each, within 18 s, after every second epoch of four
    huge = Sizes(pass_images=1296, val_images=5000, batch_size=8)
    assert plan(300, COSTS, huge).num_validations == 1


def test_an_epoch_of_small_data_is_many_passes_unless_each_image_may_come_but_once():
    few = Sizes(pass_images=40, val_images=8, batch_size=8)
    assert plan(600, COSTS, few).epochs <= 60
    once = plan(600, COSTS, Sizes(pass_images=40, val_images=8, batch_size=8, can_repeat=False))
    assert once.epoch_images <= 40


def test_the_warm_up_is_at_most_a_twentieth():
    short = plan(60, COSTS, SIZES, elapsed_s=10)
    assert short.warmup_iterations == short.num_steps // 20
    assert plan(1800, COSTS, SIZES, warmup=50).warmup_iterations == 50


def test_a_budget_too_small_says_the_least():
    with pytest.raises(UserError, match=r"training.minutes: expected at least 0\.4: .*, got 0\.2"):
        plan(12, COSTS, SIZES, elapsed_s=9)


def test_the_settings_of_a_plan_repeat_it():
    settings = load_settings(None, ["training.minutes=30", "training.scheduler.eta_min=0.00001"])
    found = plan(1800, COSTS, SIZES)
    training = planned(settings, found).training
    assert training.minutes is None
    assert (training.epochs, training.epoch_images, training.val_interval) == (
        found.epochs,
        found.epoch_images,
        found.val_interval,
    )
    assert (training.scheduler.name, training.scheduler.eta_min) == ("cosine_annealing", 1e-5)
    assert not training.early_stopping.enabled


def test_a_resume_takes_the_plan_from_the_file_beside_the_log(tmp_path):
    from anomdet.config.dump import dump_yaml

    settings = load_settings(None, ["training.minutes=30"])
    with pytest.raises(UserError, match=r"--resume with training.minutes: expected .*settings.yaml"):
        as_planned(settings, tmp_path)
    begun = planned(settings, plan(1800, COSTS, SIZES))
    (tmp_path / "settings.yaml").write_text(dump_yaml(begun), encoding="utf-8")
    resumed = as_planned(settings, tmp_path)
    assert {key: getattr(resumed.training, key) for key in PLANNED} == {
        key: getattr(begun.training, key) for key in PLANNED
    }
    assert resumed.training.minutes is None
    (tmp_path / "settings.yaml").write_text(dump_yaml(settings), encoding="utf-8")
    with pytest.raises(UserError, match="expected the planned epochs of the run"):
        as_planned(settings, tmp_path)


@pytest.mark.parametrize(("minutes", "seconds"), [(0.5, 2.0), (5, 6.0), (600, 20.0)])
def test_the_timing_takes_seconds(minutes, seconds):
    assert timing_seconds(minutes) == seconds


def test_large_images_are_read_first_only_where_half_of_the_time_is_left_to_learn_in():
    assert pays(100, 0.5, left_s=101)
    assert not pays(100, 0.5, left_s=99), "reading would take the time for the steps: no plan could be made"
    assert not pays(0, 0.5, left_s=99)


@pytest.mark.slow
def test_the_normal_only_score_is_a_part_of_the_minutes(monkeypatch):
    """It is learned after the last epoch: the run ended as much later."""
    run = load_run({"model": {"name": "rtmdet_tiny"}, "training": {"minutes": 4, "val_interval": 1}})
    monkeypatch.setattr(time_budget, "_timed", lambda *_: (COSTS, SIZES, []))
    images = {}
    for score_s in (0.0, 120.0):
        monkeypatch.setattr(time_budget, "seconds_of_score", lambda _, seconds=score_s: seconds)
        found, notes = with_plan(run, resume=False, started=time.monotonic())
        images[score_s] = found.settings.training.epochs * found.settings.training.epoch_images
        assert ("plan: 120 s of it for the normal-only score" in notes) == (score_s > 0)
    assert images[120.0] == pytest.approx(images[0.0] / 2, rel=0.1)


@pytest.mark.slow
def test_the_seconds_of_the_score_are_of_all_its_images(tmp_path, monkeypatch):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for at in range(60):
        cv2.imwrite(str(tmp_path / f"images/{at:02}.png"), np.full((32, 32, 3), at, np.uint8))
        (tmp_path / f"labels/{at:02}.txt").write_text("1 4 4 9 9\n" if at < 9 else "")
    load_libraries()
    monkeypatch.setattr(score_time, "maps_of", lambda *_: time.sleep(0.01))
    found = {}
    for enabled in ("true", "auto", "false"):
        settings = load_settings({"data": {"data_dir": str(tmp_path)}}, [f"anomaly.enabled={enabled}"])
        found[enabled] = score_time.seconds_of_score(to_mmengine(settings))
    assert 0.3 < found["true"] < 2 and 0.3 < found["auto"] < 2  # of about 36 images
    assert found["false"] == 0

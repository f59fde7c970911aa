"""``training.minutes``: the run is timed, its plan is written, and the file of the plan repeats and resumes it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from anomdet.config.load import load_settings
from anomdet.data.pipeline import steps
from anomdet.workflows.timing import time_budget
from tests.integration.conftest import assert_same_weights, run_command, write_settings


@pytest.fixture
def seen(monkeypatch):
    """The true costs of this machine; the plan is made for one on which a step takes 30 s, so that it has few."""
    found = []

    def time_here(*arguments):
        costs, sizes = true_time_here(*arguments)
        found.append((costs, sizes))
        return replace(costs, step_s=30.0, setup_s=0.0, save_s=0.01, val_image_s=0.0001), sizes

    true_time_here = time_budget.time_here
    monkeypatch.setattr(time_budget, "time_here", time_here)
    return found


def test_the_file_of_the_plan_repeats_and_resumes_the_run(seen, tmp_path, data_dir, capsys):
    config = write_settings(tmp_path, data_dir, minutes=10, epochs=99, ema=True)
    run_command("train", "--config", config)
    ((costs, sizes),) = seen
    assert (sizes.pass_images, sizes.batch_size) == (16, 4)
    assert 0 < costs.step_s < 30
    assert 0 < costs.val_image_s < 30
    assert 0 < costs.save_s < 30
    assert costs.num_steps >= 6

    begun = tmp_path / "logs/settings.yaml"
    training = load_settings(begun).training
    assert training.minutes is None
    assert training.epochs == 1
    assert 60 <= training.epoch_images <= 80  # 20 steps of 4, less what the start took
    log = (tmp_path / "logs/training.log").read_text()
    assert "plan: " in log
    assert f"1 epochs of {training.epoch_images} images" in log
    left = list((tmp_path / "checkpoints").iterdir())
    assert {path.name for path in left} >= {"best_model.pth", "last.pth"}
    assert not [path for path in left if path.is_dir()], "the scratch folder of the timing run is gone"

    folders = [f"logging.log_dir={tmp_path}/again", f"logging.checkpoint_dir={tmp_path}/again"]
    run_command("train", "--config", begun, *folders)
    assert_same_weights(tmp_path / "checkpoints/last.pth", tmp_path / "again/last.pth")

    capsys.readouterr()
    run_command("train", "--config", config, "--resume")
    assert "holds epoch 1 of 1" in capsys.readouterr().out
    assert len(seen) == 1, "a resume is not timed again"


@pytest.mark.parametrize(
    ("large_images", "key", "how"),
    [
        (["data.image_size=32"], "data.cache_gb", "kept as seen"),
        (["data.tiles={size: 48, overlap: 16}"], "data.tiles.cache_gb", "kept"),
    ],
    ids=["whole", "tiles"],
)
@pytest.mark.usefixtures("small_images_are_kept")
def test_large_images_are_read_before_the_steps_are_timed_and_change_no_weight(
    seen, tmp_path, data_dir, monkeypatch, large_images, key, how
):
    monkeypatch.setattr(steps, "_LEAST_SHRINKING", 1)
    config = write_settings(tmp_path, data_dir, minutes=10)
    run_command("train", "--config", config, *large_images)
    (_, before), (_, after) = seen
    assert (before.unread, after.unread) == (16, 0), "of the training images"
    log = (tmp_path / "logs/training.log").read_text()
    assert "large images read first, once, in " in log
    assert f"large images decoded once and {how} in " in log

    folders = [f"logging.log_dir={tmp_path}/again", f"logging.checkpoint_dir={tmp_path}/again"]
    run_command("train", "--config", tmp_path / "logs/settings.yaml", f"{key}=0", *folders)
    assert_same_weights(tmp_path / "checkpoints/last.pth", tmp_path / "again/last.pth")

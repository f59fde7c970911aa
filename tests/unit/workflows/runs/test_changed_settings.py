"""A resumed run with other settings than it had before says which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from anomdet.config.dump import dump_yaml
from anomdet.config.load import load_settings
from anomdet.workflows.runs.changed_settings import changed_settings


def settings(**changes: Any) -> str:
    return dump_yaml(load_settings({}, [f"{key.replace('__', '.')}={value}" for key, value in changes.items()]))


def changed(folder: Path, before: str, now: str) -> list[str]:
    (folder / "settings.yaml").write_text(f"# started in {folder}\n{before}", encoding="utf-8")
    return changed_settings(folder, now)


def test_what_is_learned_otherwise_from_here_on_is_said(tmp_path: Path) -> None:
    now = settings(training__learning_rate=0.1, data__augmentations__rotation="false", data__classes="{1: open}")
    (line,) = changed(tmp_path, settings(), now)
    assert line.startswith("resumed with other settings than before: training.learning_rate=0.1 (it was 0.001), ")
    assert "data.augmentations.rotation=False (it was True)" in line
    assert "data.classes.1=open" not in line  # a class may get a name; others are refused
    assert changed(tmp_path, now, now) == []


@pytest.mark.parametrize("change", ["logging__log_dir=x", "training__epochs=99", "data__num_workers=1"])
def test_a_longer_run_or_another_machine_is_no_change(tmp_path: Path, change: str) -> None:
    key, value = change.split("=")
    assert changed(tmp_path, settings(), settings(**{key: value})) == []


def test_epochs_change_a_schedule_that_ends_with_them(tmp_path: Path) -> None:
    name = {"training__scheduler__name": "cosine_annealing"}
    (line,) = changed(tmp_path, settings(**name), settings(**name, training__epochs=99))
    assert "training.epochs=99 (it was 10)" in line


def test_many_changes_are_counted(tmp_path: Path) -> None:
    keys = ("horizontal", "vertical", "color_jitter", "rotation", "random_crop")
    more = {f"data__augmentations__{key}{'_flip' * (key in keys[:2])}_prob": 0.1 for key in keys}
    more |= {"training__weight_decay": 0.5, "training__learning_rate": 0.5, "training__ema": "true"}
    assert changed(tmp_path, settings(), settings(**more, training__gradient_clip_norm=1))[0].count("(it was") == 8
    assert (
        " and 1 more; they hold from here on"
        in changed_settings(tmp_path, settings(**more, training__backbone_lr_mult=0.5))[0]
    )


@pytest.mark.parametrize("before", ["", "[1, 2]", "a: [", "\0", None])
def test_settings_that_cannot_be_read_say_nothing(tmp_path: Path, before: str | None) -> None:
    if before is not None:
        (tmp_path / "settings.yaml").write_text(before, encoding="utf-8")
    assert changed_settings(tmp_path, settings()) == []

"""In which views a review looks at the images: as the training, and as there is time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from anomdet.config.load import load_settings
from anomdet.views import Views
from anomdet.workflows.reviews import views as review_views
from anomdet.workflows.reviews.views import flips_of, with_views

ALL, ONE = ("horizontal", "vertical", "both"), ("horizontal",)
PATHS = [Path(f"{number}.png") for number in range(64)]


@dataclass(frozen=True)
class Known:
    tta: Views | None = None


class Timed:
    """A detector that takes a second an image, and a clock for it."""

    def __init__(self, tta: Views | None = None) -> None:
        self.artifact = Known(tta)
        self.now = 0.0

    def __reduce__(self) -> str:
        raise AssertionError("a detector that is copied by `copy` or sent elsewhere is opened from its file again")

    def predict(self, source: Sequence[Path]) -> Iterator[Path]:
        for path in source:
            self.now += 1
            yield path


def views(detector: Any, monkeypatch: pytest.MonkeyPatch, seconds: float | None, *overrides: str) -> Views | None:
    monkeypatch.setattr(review_views.time, "monotonic", lambda: detector.now)
    seen: Views | None = with_views(detector, load_settings({}, overrides), PATHS, seconds).artifact.tta
    return seen


# 32 of the 64 images are timed, and all of them looked at once, twice or four times.
@pytest.mark.parametrize(
    ("seconds", "flips"), [(None, ALL), (32 + 256, ALL), (32 + 255, ONE), (32 + 128, ONE), (32 + 127, None), (-5, None)]
)
def test_as_many_views_as_there_is_time_for(
    seconds: float | None, flips: tuple[str, ...] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert views(Timed(), monkeypatch, seconds) == (Views(flips) if flips else None)


@pytest.mark.parametrize(
    ("overrides", "flips"),
    [
        ([], [ALL, ONE]),
        (["data.augmentations.vertical_flip=false"], [ONE]),
        (["data.augmentations.horizontal_flip_prob=0"], [("vertical",)]),
        (["data.augmentations.horizontal_flip=false", "data.augmentations.vertical_flip=false"], []),
        (["evaluation.tta=false"], []),
        (["evaluation.tta=true"], []),
    ],
)
def test_flips_are_those_of_the_training(overrides: list[str], flips: list[tuple[str, ...]]) -> None:
    assert flips_of(load_settings({}, overrides)) == flips


def test_views_of_the_detector_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Views(("vertical",))
    assert views(Timed(own), monkeypatch, None) == own


def test_the_detector_itself_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = Timed()
    assert views(detector, monkeypatch, None) is not None
    assert detector.artifact.tta is None

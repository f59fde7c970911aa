"""An eight-bit export keeps what it promises, or is refused with what was found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from anomdet.errors import UserError
from anomdet.exporting.int8 import LADDER
from anomdet.exporting.parity import Parity
from anomdet.workflows import export_int8
from anomdet.workflows.export_int8 import Quality

BEFORE = Quality(0.60, escapes=2, overkill=5, point=None)
WORSE = Quality(0.5899, escapes=2, overkill=0, point=None)
BLIND = Quality(0.70, escapes=3, overkill=0, point=None)
GOOD = Quality(0.5901, escapes=2, overkill=40, point=None)


def quantised(monkeypatch: pytest.MonkeyPatch, found: Iterator[Quality], parity: Parity | None = None) -> Any:
    """What is written where the rungs are as good as this."""
    monkeypatch.setattr("anomdet.workflows.export_parity.check_parity", lambda *_: parity or Parity(5, 9, 0, 0.0, 0.0))
    monkeypatch.setattr("anomdet.workflows.export_parity.results", lambda *_: [])
    monkeypatch.setattr(export_int8, "quality", lambda *_: BEFORE)
    monkeypatch.setattr(export_int8, "_rung", lambda _source, _manifest, _images, _folder, rung: (rung, next(found)))
    source: Any = SimpleNamespace(detector=None)
    images: Any = SimpleNamespace(truth=object(), prepared=[])
    manifest: Any = "fp32"
    return export_int8.quantise(source, manifest, images, Path("unused"))


@pytest.mark.parametrize(
    ("found", "rung"), [([GOOD], 0), ([WORSE, GOOD], 1), ([BLIND, GOOD], 1), ([WORSE, BLIND, GOOD], 2)]
)
def test_the_boldest_rung_that_loses_little_is_taken(
    found: list[Quality], rung: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, parity = quantised(monkeypatch, iter(found))
    assert taken == rung
    assert parity.mean_ap == (BEFORE.mean_ap, GOOD.mean_ap)


@pytest.mark.parametrize("bad", [WORSE, BLIND])
def test_where_none_does_it_is_refused_with_the_figures_of_each(bad: Quality, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError) as caught:
        quantised(monkeypatch, iter([bad] * len(LADDER)))
    said = str(caught.value)
    assert "--int8: expected a loss of mAP of at most 0.01 and no new escape on the validation images" in said
    for rung in LADDER:
        assert f"{rung}: mAP 0.6000 to {bad.mean_ap:.4f}, escapes 2 to {bad.escapes}" in said


def test_of_a_network_that_decides_otherwise_nothing_is_quantised(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = Parity(5, 9, 9, 0.0, 0.0, stage="network: other", reasons=("9 detections of 9 have no partner",))
    assert quantised(monkeypatch, iter([]), failed) == ("fp32", failed)

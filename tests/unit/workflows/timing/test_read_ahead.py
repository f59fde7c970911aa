"""Large images that are read before the first step."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from anomdet.data import kept
from anomdet.workflows.timing import read_ahead


def test_a_timed_step_decodes_as_often_as_it_draws_an_image_for_the_first_time():
    """An oracle draws: 160 tiles of 240 images, which may come again, and 160 images, which do not."""
    drawn = [len(set(np.random.default_rng(seed).integers(0, 240, 160))) / 160 for seed in range(200)]
    assert read_ahead._share_decoded(160, 240, is_tiled=True) == pytest.approx(np.mean(drawn), abs=0.01)
    assert read_ahead._share_decoded(160, 240, is_tiled=False) == 1.0
    assert read_ahead._share_decoded(480, 240, is_tiled=False) == 0.5
    assert read_ahead._share_decoded(0, 240, is_tiled=True) == 0.0


@pytest.mark.parametrize(
    ("num_kept", "said"), [(5, ""), (3, "; 2 of them could not be kept: they are decoded each time")]
)
def test_the_note_does_not_claim_that_images_are_kept_for_which_there_is_no_room(monkeypatch, num_kept, said):
    dataset = SimpleNamespace(records=list(range(5)))
    monkeypatch.setattr(kept, "unread", lambda of: of.records)
    monkeypatch.setattr(kept, "read_ahead", lambda of, *_: setattr(of, "records", of.records[num_kept:]))
    monkeypatch.setattr(read_ahead, "_datasets", lambda _: [(dataset, 1)])
    note = read_ahead.read_first(None)
    assert note.startswith("plan: 5 large images read first, once, in 0 s" + said)
    assert ("could not be kept" in note) == bool(said)

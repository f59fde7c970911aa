"""Large images that are read before the first step."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from anomdet.data.pipeline import fitted
from anomdet.workflows import read_ahead


@pytest.mark.parametrize(("num_kept", "told"), [(5, ""), (3, "; no room to keep 2 of them: they are decoded in each")])
def test_the_note_does_not_claim_that_images_are_kept_for_which_there_is_no_room(monkeypatch, num_kept, told):
    dataset = SimpleNamespace(records=list(range(5)))
    monkeypatch.setattr(fitted, "unread", lambda of: of.records)
    monkeypatch.setattr(fitted, "read_ahead", lambda of, *_: setattr(of, "records", of.records[num_kept:]))
    monkeypatch.setattr(read_ahead, "_datasets", lambda _: [(dataset, 1)])
    note = read_ahead.read_first(None)
    assert note.startswith("plan: 5 large images read first, once, in 0 s" + told)
    assert ("no room" in note) == bool(told)

"""Who keeps the others waiting: reports to culprits and words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from anomdet.engine.distributed.verdict import Culprit, Report, culprits, verdict

BACKWARD = dict(step=20, depth=2, since="batch 18 of epoch 2", where="in the backward pass")
LOADING = dict(step=19, depth=0, since="the end of batch 17 of epoch 2", where="loading a batch (x.py:8, get)")
FORWARD = dict(step=20, depth=1, since="batch 18 of epoch 2", where="in the forward pass (m.py:3, forward)")


def readings(*places: dict, dead: tuple[int, ...] = ()) -> tuple[dict[int, Report], dict[int, Report]]:
    """Two readings; the dead have no beat in between."""
    first = {rank: Report(rank, "b", 100 + rank, beat=5, **place) for rank, place in enumerate(places)}
    return first, {rank: replace(one, beat=5 + 3 * (rank not in dead)) for rank, one in first.items()}


def judged(*places: dict, dead: tuple[int, ...] = (), states: dict[int, str] | None = None) -> list[tuple[int, str]]:
    return [(one.report.rank, one.state) for one in culprits(*readings(*places, dead=dead), states or {})]


def test_no_sign_of_life_is_the_cause_wherever_the_others_stand() -> None:
    assert judged(BACKWARD, FORWARD, dead=(1,)) == [(1, "silent")]
    assert judged(BACKWARD, BACKWARD, dead=(0,)) == [(0, "silent")]
    assert judged(BACKWARD, BACKWARD, FORWARD, BACKWARD, dead=(0, 3)) == [(0, "silent"), (3, "silent")]
    assert judged(BACKWARD, BACKWARD, dead=(1,), states={1: "stopped"}) == [(1, "stopped")]
    assert judged(BACKWARD, BACKWARD, states={0: "gone"}) == [(0, "gone")]


def test_the_one_behind() -> None:
    assert judged(BACKWARD, LOADING) == [(1, "behind")]
    assert judged(LOADING, BACKWARD) == [(0, "behind")]
    assert judged(BACKWARD, FORWARD, BACKWARD) == [(1, "behind")]
    assert judged(LOADING, BACKWARD, LOADING, BACKWARD) == [(0, "behind"), (2, "behind")]


def test_one_that_waits_in_vain_is_further_than_one_that_does_not() -> None:
    assert judged(FORWARD, {**FORWARD, "waits": True}) == [(0, "behind")]
    assert judged({**FORWARD, "waits": True}, FORWARD, FORWARD) == [(1, "behind"), (2, "behind")]


def test_all_busy_or_all_waiting_at_one_place_is_nobodys_fault() -> None:
    assert judged(FORWARD, FORWARD) == []
    assert judged(*[{**FORWARD, "waits": True}] * 3) == []
    assert culprits({}, {}, {}) == []


def test_one_that_has_done_its_work_is_not_looked_for() -> None:
    first, second = readings(LOADING, {**LOADING, "is_done": True}, dead=(1,))
    assert culprits(first, second, {1: "gone"}) == []


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("behind", "rank 1 (host b, pid 101) has not moved for 9.0 min since batch 18 of epoch 2: in the forward pass"),
        (
            "stopped",
            "rank 1 (host b, pid 101) is stopped (SIGSTOP or a debugger) and has kept the others waiting for 9.0",
        ),
        ("silent", "rank 1 (host b, pid 101) shows no sign of life"),
        ("gone", "rank 1 (host b, pid 101) ended without a word"),
    ],
)
def test_words(state: str, expected: str) -> None:
    report = Report(1, "b", 101, stood_s=541.0, **FORWARD)
    assert verdict([Culprit(report, state)], 540.0).startswith(expected)


def test_the_time_is_that_of_the_one_behind() -> None:
    """One that moves on slowly has not stood for as long as the others have waited."""
    slow = verdict([Culprit(Report(1, "b", 101, stood_s=4.2, **FORWARD), "behind")], 540.0)
    assert "has kept the others waiting for 9.0 min and was still moving 4 s ago; last seen at batch 18" in slow
    hung = verdict([Culprit(Report(1, "b", 101, stood_s=400.0, **FORWARD), "behind")], 540.0)
    assert "has not moved for 6.7 min since batch 18 of epoch 2" in hung
    asked = verdict([Culprit(Report(1, "b", 101, stood_s=4.2, **FORWARD), "behind")])
    assert "keeps the others waiting and was still moving 4 s ago" in asked


def test_many_are_counted_on_one_line() -> None:
    lines = verdict([Culprit(Report(rank, "b", rank), "silent") for rank in range(9)]).splitlines()
    assert len(lines) == 5 and lines[-1].endswith("rank 8 (host b, pid 8)")


def test_a_report_survives_the_store() -> None:
    report = Report(1, "b", 101, "pid:[1]", beat=3, waits=True, **LOADING)
    assert Report.from_json(report.to_json().encode()) == report

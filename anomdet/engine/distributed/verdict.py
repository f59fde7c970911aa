"""Which process keeps the others waiting: a pure function of what each reported, and its words."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

_SHOWN = 4  # of many that are gone, with a machine


@dataclass(frozen=True)
class Report:
    """A sign of life.

    Args:
        rank, host, pid: who.
        pid_space: which processes the pid is counted among: containers of one machine have their own.
        beat: counts the signs of life.
        step: hook points passed that all processes pass alike.
        depth: how far within that step: 0 outside the passes, 1 forward, 2 backward, 3 optimizer.
        waits: in a call that waits for other processes.
        since: the hook passed last: ``batch 17 of epoch 2``.
        stood_s: seconds since then, by its own clock.
        where: what its stack shows.
        is_done: its work has come to its end; nobody waits for it any more.
    """

    rank: int
    host: str
    pid: int
    pid_space: str = ""
    beat: int = 0
    step: int = 0
    depth: int = 0
    waits: bool = False
    since: str = "its start"
    stood_s: float = 0.0
    where: str = ""
    is_done: bool = False

    @property
    def name(self) -> str:
        """For messages."""
        return f"rank {self.rank} (host {self.host}, pid {self.pid})"

    def to_json(self) -> str:
        """For the store."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Report:
        """As :meth:`to_json` wrote it."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Culprit:
    """A process that keeps the others waiting.

    Args:
        report: its last one.
        state: ``gone``, ``stopped``, ``silent`` (no sign of life) or ``behind``.
    """

    report: Report
    state: str


def culprits(earlier: Mapping[int, Report], later: Mapping[int, Report], states: Mapping[int, str]) -> list[Culprit]:
    """The processes that keep the others waiting, from two readings of all reports some beats apart.

    Those that show no sign of life; else those that are furthest behind, if the processes are not all at one place.
    Between two at one place, one that waits for others is further than one that does not: it is being waited for.

    Args:
        earlier, later: rank to report.
        states: rank to ``gone`` or ``stopped``, of processes of this machine, which can be seen.
    """
    found = []
    later = {rank: report for rank, report in sorted(later.items()) if not report.is_done}
    for rank, report in later.items():
        is_silent = rank in earlier and earlier[rank].beat == report.beat
        if state := states.get(rank, "silent" if is_silent else ""):
            found.append(Culprit(report, state))
    if found or not later:
        return found
    places = {rank: (report.step, report.depth, report.waits) for rank, report in later.items()}
    last = min(places.values())
    if last == max(places.values()):
        return []
    return [Culprit(later[rank], "behind") for rank, place in places.items() if place == last]


def verdict(found: Sequence[Culprit], waited_s: float | None = None) -> str:
    """One line for each culprit.

    Args:
        found: at least one.
        waited_s: how long the others have waited, in seconds.
    """
    lines = [_line(culprit, waited_s) for culprit in found[:_SHOWN]]
    if len(found) > _SHOWN:
        lines.append("so did " + ", ".join(culprit.report.name for culprit in found[_SHOWN:]))
    return "\n".join(lines)


def _line(culprit: Culprit, waited_s: float | None) -> str:
    report = culprit.report
    at = f"{report.since}: {report.where}" if report.where else report.since
    waiting = (
        "keeps the others waiting" if waited_s is None else f"has kept the others waiting for {_duration(waited_s)}"
    )
    if culprit.state == "gone":
        return f"{report.name} ended without a word: killed, or out of memory; it was last seen at {at}"
    if culprit.state == "stopped":
        return f"{report.name} is stopped (SIGSTOP or a debugger) and {waiting}; last seen at {at}"
    if culprit.state == "silent":
        return f"{report.name} shows no sign of life: it, its machine or the network stopped; last seen at {at}"
    if report.stood_s < (waited_s or math.inf) / 2:  # it moves, but slowly, or it did for a good while
        return f"{report.name} {waiting} and was still moving {_duration(report.stood_s)} ago; last seen at {at}"
    return f"{report.name} has not moved for {_duration(report.stood_s)} since {at}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"

"""What can be seen of another process of the same machine."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from anomdet.engine.distributed.verdict import Report

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def pid_space() -> str:
    """Which processes a pid is counted among; empty where the system does not say.

    The namespace's number alone is the same on all machines, outside of containers.
    """
    with contextlib.suppress(OSError):
        return f"{_BOOT_ID.read_text(encoding='ascii').strip()} {Path('/proc/self/ns/pid').readlink()}"
    return ""


def states(reports: Mapping[int, Report], own: Report) -> dict[int, str]:
    """Rank to ``gone`` or ``stopped``, of the processes that can be seen from here and are neither well nor done."""
    found = {}
    for rank, report in reports.items():
        here = (report.host, report.pid_space) == (own.host, own.pid_space)
        if here and own.pid_space and not report.is_done and (state := _state(report.pid)):
            found[rank] = state
    return found


def _state(pid: int) -> str:
    """From Linux's /proc; its third field, behind the name in brackets, is the state's letter."""
    try:
        letter = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return "gone"
    return {"Z": "gone", "X": "gone", "T": "stopped", "t": "stopped"}.get(letter, "")

"""What the processes say to each other, in the TCP store that torchrun keeps for them (or rank 0's process does).

Through a connection of its own: one operation holds a connection until it is answered, and the process group's is the
main thread's. All of it is called by one thread. 2 us to write, about 40 us to ask, on one machine.
"""

from __future__ import annotations

import json
import os
import secrets
from datetime import timedelta
from typing import Any

import torch.distributed as dist
from torch.distributed.distributed_c10d import _get_default_store

from anomdet.engine.distributed.verdict import Report

STORE_ERRORS = (dist.DistError, RuntimeError, OSError, ValueError)  # the store, or what it answers, is gone
_TIMEOUT = timedelta(seconds=10)


class Board:
    """Of one start of a run.

    All processes must make one at the same time: they agree on a name for its keys, so that those of an earlier start
    (``--max-restarts``) are never read.

    Args:
        rank, world_size: of the process group.

    Attributes:
        address: of the store.
        is_host: the store is this process's own and ends with it: rank 0's, where no torchrun keeps one.
    """

    def __init__(self, rank: int, world_size: int) -> None:
        self.rank, self.world_size = rank, world_size
        self.is_host = rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
        names = [secrets.token_hex(8)]
        dist.broadcast_object_list(names, src=0)
        store: Any = _get_default_store()
        while hasattr(store, "underlying_store"):
            store = store.underlying_store
        self.address = f"{store.host}:{store.port}"
        client = dist.TCPStore(store.host, store.port, is_master=False, timeout=_TIMEOUT)
        self._store: Any = dist.PrefixStore(f"anomdet/{names[0]}", client)
        self._read = 0  # warnings

    def post(self, report: Report) -> None:
        """Show a sign of life."""
        self._store.set(f"report/{self.rank}", report.to_json())

    def reports(self) -> dict[int, Report]:
        """The last report of each process that has made one."""
        keys = [f"report/{rank}" for rank in range(self.world_size)]
        if not self._store.check(keys):
            keys = [key for key in keys if self._store.check([key])]
        return {report.rank: report for report in map(Report.from_json, self._store.multi_get(keys))}

    def is_first(self, name: str) -> bool:
        """Whether no other process asked this before: one of them does it for all."""
        return bool(self._store.add(name, 1) == 1)

    def count(self, name: str, increment: int = 0) -> int:
        """A counter that all share."""
        return int(self._store.add(name, increment))

    def mark(self, name: str) -> None:
        """Let the others know what has happened.

        ``ended``: one has said why; ``interrupted``: a signal ended one; ``finished``: rank 0 has saved and may end.
        """
        self._store.set(name, str(self.rank))

    def is_marked(self, name: str) -> bool:
        """Whether one has said so."""
        return bool(self._store.check([name]))

    def request_stop(self, number: int) -> None:
        """A signal came here: all are to stop."""
        self._store.compare_set("stop", "", str(number))

    def stop_requested(self) -> int:
        """The signal that came to one of them; 0: none."""
        return int(self._store.get("stop")) if self._store.check(["stop"]) else 0

    def hold(self, begun: int) -> None:
        """This process begins no step after ``begun`` before all agree."""
        self._store.set(f"begun/{self.rank}", str(begun))
        self._store.add("held", 1)

    def held(self) -> list[int]:
        """The step that each process has begun; empty as long as one has not answered."""
        if self.count("held") < self.world_size:
            return []
        return [int(value) for value in self._store.multi_get([f"begun/{rank}" for rank in range(self.world_size)])]

    def warn(self, level: int, text: str) -> None:
        """Leave a warning for rank 0."""
        number = self._store.add("warnings", 1)
        self._store.set(f"warning/{number}", json.dumps([self.rank, level, text]))

    def new_warnings(self) -> list[tuple[int, int, str]]:
        """Rank, level and text of those that came since the last call."""
        found = []
        for number in range(self._read + 1, self.count("warnings") + 1):
            key = f"warning/{number}"
            if not self._store.check([key]):  # counted but not there yet
                break
            found.append(tuple(json.loads(self._store.get(key))))
            self._store.delete_key(key)
            self._read = number
        return found

"""What processes of one job settle among each other, through the store that torchrun keeps."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from anomdet.ranks import after_main, is_last, rank, says_first

ROOT = Path(__file__).parents[2]


def test_one_process_is_first_and_last_and_does_it_itself() -> None:
    done: list[int] = []
    after_main("x", lambda: done.append(1))
    assert (rank(), is_last("x"), says_first("x"), done) == (0, True, True, [1])


def test_without_a_store_nobody_is_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that results are merged by a run of one process, not by several at once."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.delenv("TORCHELASTIC_USE_AGENT_STORE", raising=False)
    done: list[int] = []
    after_main("x", lambda: done.append(1))
    assert (rank(), is_last("x"), says_first("x"), done) == (1, False, True, [1])


STORE = """
import os, time
from datetime import timedelta
from torch.distributed import TCPStore
store = TCPStore("127.0.0.1", 0, is_master=True, timeout=timedelta(seconds=60), wait_for_workers=False)
print(store.port, flush=True)
input()
os._exit(0)
"""
PROCESS = """
import os, time
from anomdet.ranks import after_main, is_last, is_main_process
def do():
    time.sleep(0.3)
    open("done", "w").close()
after_main("task", do)
print(os.path.exists("done"), is_last("end"), is_main_process(), flush=True)
"""


def test_three_processes_and_their_store(tmp_path: Path) -> None:
    """The others go on once the main process has done its task; exactly one is the last."""

    def start(code: str, **environment: str) -> subprocess.Popen[str]:
        options: dict[str, Any] = {"cwd": tmp_path, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        return subprocess.Popen([sys.executable, "-c", code], env={**os.environ, **environment}, **options)

    store = start(STORE)
    assert store.stdout is not None
    shared = {"WORLD_SIZE": "3", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": store.stdout.readline().strip()}
    shared |= {"TORCHELASTIC_USE_AGENT_STORE": "True", "PYTHONPATH": str(ROOT)}
    processes = [start(PROCESS, RANK=number, **shared) for number in ("1", "2", "0")]
    told = [process.communicate(timeout=100)[0].split() for process in processes]
    store.communicate("end\n", timeout=60)
    assert [words[0] for words in told] == ["True"] * 3
    assert [words[1] for words in told].count("True") == 1
    assert [words[2] for words in told] == ["False", "False", "True"]

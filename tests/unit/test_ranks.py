"""What processes of one job settle among each other, through the store that torchrun keeps."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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


PROCESSES = """
import os, time
from datetime import timedelta
from torch.distributed import TCPStore  # once for all: the others are forks of this process
from anomdet.ranks import after_main, is_last, is_main_process

def do():
    time.sleep(0.3)
    open("done", "w").close()

reader, writer = os.pipe()
forks = []
for rank in ("1", "2", "0"):
    if pid := os.fork():
        forks.append(pid)
        continue
    os.environ |= {"RANK": rank, "MASTER_PORT": os.read(reader, 5).decode()}
    after_main("task", do)
    told = f"{os.path.exists('done')} {is_last('end')} {is_main_process()}"
    with open(f"told_{rank}", "w") as file:
        file.write(told)
    os._exit(0)
store = TCPStore("127.0.0.1", 0, is_master=True, timeout=timedelta(seconds=60), wait_for_workers=False)
for _ in forks:
    os.write(writer, f"{store.port:05}".encode())
assert [os.waitpid(pid, 0)[1] for pid in forks] == [0, 0, 0]
os._exit(0)
"""


@pytest.mark.slow
def test_three_processes_and_their_store(tmp_path: Path) -> None:
    """The others go on once the main process has done its task; exactly one is the last."""
    shared = {"WORLD_SIZE": "3", "MASTER_ADDR": "127.0.0.1", "TORCHELASTIC_USE_AGENT_STORE": "True"}
    environment = {**os.environ, **shared, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", PROCESSES], cwd=tmp_path, env=environment, check=True, timeout=100)
    told = [(tmp_path / f"told_{number}").read_text().split() for number in range(3)]
    assert [words[0] for words in told] == ["True"] * 3
    assert [words[1] for words in told].count("True") == 1
    assert [words[2] for words in told] == ["True", "False", "False"]

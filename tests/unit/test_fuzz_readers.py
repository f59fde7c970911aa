"""Mutated texts: each is read or refused in words, within 512 MB and 10 s. Fixed seed; more by hand, see the script."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit import fuzz_readers

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("reader", fuzz_readers.READERS)
def test_mutated_inputs(reader: str) -> None:
    command = [sys.executable, "-m", "tests.unit.fuzz_readers", reader, "--num", "150"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "0 of 150 went wrong\n"), done.stderr


def test_what_goes_wrong_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_folder: Path, data: bytes) -> None:
        if len(data) > 4:
            raise ValueError("unforeseen")

    monkeypatch.setitem(fuzz_readers.READERS, "broken", (b"abc", broken))
    wrong = fuzz_readers.run("broken", 50, 0)
    assert 0 < len(wrong) < 50 and "ValueError: unforeseen of b'" in wrong[0]

"""Mutated inputs: each is read or refused in words, within 512 MB and 10 s. Fixed seed; more by the script."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit import fuzz_readers

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`

ROOT = Path(__file__).parents[2]
WITH_TORCH = ["checkpoint", "pickle", "safetensors"]
SLOW = [name for name in fuzz_readers.READERS if name.startswith("convert")]
PARTS = {
    "checkpoints": (WITH_TORCH, 60),
    "conversions": (SLOW, 30),
    "all others": ([name for name in fuzz_readers.READERS if name not in (*WITH_TORCH, *SLOW)], 80),
}


@pytest.mark.parametrize("part", PARTS)
def test_mutated_inputs(part: str) -> None:
    readers, num = PARTS[part]
    command = [sys.executable, "-m", "tests.unit.fuzz_readers", *readers, "--num", str(num)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^(.+): 0 of \d+ went wrong$", done.stdout, re.MULTILINE) == readers


def test_what_goes_wrong_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(folder: Path, data: bytes) -> None:
        if len(data) > 4:
            raise ValueError("unforeseen")
        if not data:
            (folder.parent / "outside").write_text("x")

    monkeypatch.setitem(fuzz_readers.READERS, "broken", (lambda: b"abc", broken))
    wrong = fuzz_readers.run("broken", 100, 0)
    assert 0 < len(wrong) < 100
    assert any("ValueError: unforeseen of b'" in line for line in wrong)
    assert any("wrote outside of b''" in line for line in wrong)

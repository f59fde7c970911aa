"""Freed memory stays with the process, where glibc is."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys

import pytest

from anomdet.workflows.runs.libraries import keep_freed_memory

SCRIPT = """
import resource
from anomdet.workflows.runs.libraries import keep_freed_memory
agreed = {call}
for _ in range(20):
    b"x" * 80_000_000
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


def page_faults(call: str) -> int:
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(call=call)], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_a_block_that_is_freed_is_used_again() -> None:
    pages = 80_000_000 // resource.getpagesize()
    assert page_faults("keep_freed_memory()") < page_faults("None") - 10 * pages


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False

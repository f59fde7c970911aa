"""What a terminal would obey is shown; and a terminal that is gone ends no work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from anomdet.errors import Problem
from anomdet.terminal import give, lines, one_line, say


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 日本 x\u3000y", "plain é 日本 x\u3000y"),
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\x9b2J\x7f", "\\x9b2J\\x7f"),
        ("b\udcff.png", "b\\xff.png"),
    ],
)
def test_one_line(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_a_text_keeps_its_line_breaks() -> None:
    assert lines("a\nb\x1b[2J") == "a\nb\\x1b[2J"


def test_messages_name_files_on_one_line() -> None:
    problem = Problem("images/a\nerror: all is well\x1b[2J.png", "an image", "none", "look\rhere")
    assert str(problem) == "images/a\\nerror: all is well\\x1b[2J.png: expected an image, got none; look\\rhere"


PROGRAM = """
import sys
from anomdet.terminal import give, prepare, say
prepare()
say("first é")
{then}
open("done", "w").write("done")
"""


def run(folder: Path, then: str, redirect: str, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "program.py").write_text(PROGRAM.format(then=then), encoding="utf-8")
    return subprocess.run(
        ["bash", "-c", f"'{sys.executable}' program.py {redirect}"],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        errors="replace",
    )


MORE = "for _ in range(5000): say('x' * 100)"


@pytest.mark.parametrize("redirect", ["| true", ">&-", "> /dev/full", ">&- 2>&-", "<&- >&- 2>&-"])
def test_messages_that_nobody_takes_end_no_work(tmp_path: Path, redirect: str) -> None:
    done = run(tmp_path, MORE, redirect)
    assert (tmp_path / "done").read_text() == "done", "and no line of the terminal went into a file"
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    said = "stdout cannot be written any more: No space left on device; the work continues\n"
    assert done.stderr == (said if "full" in redirect else "")


def test_a_result_that_nobody_takes_ends_the_work(tmp_path: Path) -> None:
    done = run(tmp_path, "give('result')", "> /dev/full")
    assert "OSError" in done.stderr and not (tmp_path / "done").exists()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_what_an_encoding_lacks_is_shown_as_an_escape(tmp_path: Path, encoding: str) -> None:
    done = run(tmp_path, "say('日')", "| cat", PYTHONIOENCODING=encoding)
    assert done.stdout.endswith("\\u65e5\n") and not done.stderr


def test_on_a_sound_stream_both_are_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    say("a")
    give("a")
    say("b", err=True, end="")
    assert capsys.readouterr() == ("a\na\n", "b")

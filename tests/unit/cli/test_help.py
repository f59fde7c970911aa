"""``--help``: quick, plain, and with an example each."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
import typer

from anomdet.cli.app import app
from anomdet.cli.main import main

COMMANDS = tuple(command for command in typer.main.get_command(app).commands if command != "mmdet")  # MMDetection's own
HEAVY = ("torch", "mmdet", "mmengine", "mmcv", "numpy", "cv2", "albumentations", "rich.markdown")
HELP_OF_ALL = """
import contextlib, io, json, sys
from anomdet.cli.main import main
found = {}
for command in ("", *sys.argv[1:]):
    with contextlib.redirect_stdout(io.StringIO()) as shown, contextlib.suppress(SystemExit):
        main([*command.split(), "--help"])
    found[command] = shown.getvalue().split()[:2], [name for name in HEAVY if name in sys.modules]
print(json.dumps(found))
"""


@pytest.mark.slow
def test_help_imports_nothing_heavy() -> None:
    """Half a second is the bar; what it hangs on is what is imported, and that a busy machine does not change.

    One process shows the help of all commands one after the other.
    """
    command = [sys.executable, "-c", f"HEAVY = {HEAVY}\n{HELP_OF_ALL}", *COMMANDS]
    shown = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)
    assert shown == {name: [["Usage:", "anomdet"], []] for name in ("", *COMMANDS)}, "the first that has any imports it"
    assert len(shown) > 15


@pytest.mark.parametrize("command", COMMANDS)
def test_each_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert re.search(rf"Example: anomdet {command}\b", capsys.readouterr().out)


def test_no_arguments_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "..." not in shown.split("Commands:")[1]  # no description is cut
    assert all(f"\n  {command} " in shown for command in COMMANDS)

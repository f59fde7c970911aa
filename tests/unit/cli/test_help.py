"""``--help``: quick, plain, and with an example each."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from anomdet.cli.main import main

COMMANDS = ("train", "evaluate", "compare", "report", "visualize", "predict")
COMMANDS += ("browse", "check", "init", "convert", "config", "demo")
HEAVY = ("torch", "mmdet", "mmengine", "mmcv", "numpy", "cv2", "albumentations", "rich.markdown")


@pytest.mark.parametrize("arguments", [[], *([command] for command in COMMANDS)])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    """Half a second is the bar; what it hangs on is what is imported, and that a busy machine does not change."""
    code = (
        "import sys\nfrom anomdet.cli.main import main\ntry:\n    main(sys.argv[1:])\n"
        f"except SystemExit:\n    print([name for name in {HEAVY} if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, *arguments, "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert shown.splitlines()[-1] == "[]"
    assert shown.startswith("Usage: anomdet")


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

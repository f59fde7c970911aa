"""What the pages say is there: links lead somewhere, and commands and settings exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from anomdet.cli.main import app
from anomdet.config.describe import flat_keys

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
SHIMS = {"train.py": "train", "evaluate.py": "evaluate", "visualize.py": "visualize"}


def written_commands() -> list[tuple[str, list[str]]]:
    """Every ``anomdet ...`` and ``python train.py ...`` that stands on a line of its own in a page."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in re.findall(r"^    (?:\$ )?((?:anomdet|python \w+\.py) [^#\n]*)", text, re.MULTILINE):
            words = shlex.split(line)
            words = words[1:] if words[0] == "anomdet" else [SHIMS[words[1]], *words[2:]]
            found.append((page.name, words))
    return found


def test_all_pages_are_read():
    assert {page.name for page in PAGES} >= {"README.md", "quickstart.md", "data_format.md", "plugins.md", "config.md"}
    assert len(written_commands()) >= 10, written_commands()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize(("page", "words"), written_commands(), ids=lambda value: str(value)[:60])
def test_commands_take_what_is_written(page, words):
    name, *rest = words
    assert name in COMMANDS, f"{page}: {name}"
    options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    keys = set(flat_keys())
    is_python = any(word.endswith(".py") for word in rest)  # whose keys are MMEngine's
    for word in rest:
        if word.startswith("-"):
            assert word in options | {"--help"}, f"{page}: {word}"
        elif "=" in word and not is_python:
            assert word.partition("=")[0] in keys, f"{page}: {word}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_placeholder_is_left(page):
    assert "@@" not in page.read_text(encoding="utf-8")

"""The words of DESIGN.md's last section, in all that a user reads: messages, help, settings, docstrings, docs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Word, as a regular expression, to what is written in its place.
WORDS = {
    r"told|tells?": "reported, reports, says, distinguishes",
    r"mend(?:s|ed|ing)?": "fix, correct",
    r"go(?:es)? on": "resume, continue",
    r"pictures?": "image, drawing, thumbnail, crop",
    r"figures?": "metric, number, result",
    r"trainings|a training(?! (?:image|run|set|split|step|batch|epoch|loop|script|log|part)s?\b)": "a run, runs",
    r"by heart|learnt": "memorised, learned",
    r"spelt": "spelled",
}
BANNED = re.compile(rf"\b(?:{'|'.join(WORDS)})\b", re.IGNORECASE)
# What is no prose: code, paths, lists of values, and the names of arguments in a docstring.
BLOCKS = re.compile(r"```.*?```|^ {4}\S[^\n]*", re.DOTALL | re.MULTILINE)  # of code, in Markdown
NO_PROSE = re.compile(r"`[^`]*`|>>>[^\n]*|--images pictures|[\w*.-]*(?:/|,(?=\S))[\w,/*.-]*")
ARGUMENTS = re.compile(r"^\s*\w+(?:, \w+)*: ", re.MULTILINE)
DOCS = [
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY")),
]
DOCS += [ROOT / "CHANGELOG.md"]
MODULES = sorted((ROOT / "anomdet").rglob("*.py"))


def texts_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each docstring and each string of more than a word of a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
            yield node.lineno, ARGUMENTS.sub("", node.value)


def old_words(text: str) -> list[str]:
    """
    >>> old_words("All of it is told at once; `told` and docs/told.md are no prose.")
    ['told']
    """
    return BANNED.findall(NO_PROSE.sub(" ", text))


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_the_docs_are_in_plain_words(path: Path) -> None:
    text = BLOCKS.sub("", path.read_text(encoding="utf-8"))
    found = set(old_words(text))
    rows = enumerate(path.read_text(encoding="utf-8").split("\n"), start=1)
    lines = [number for number, line in rows if found & set(BANNED.findall(line))]
    assert not found, f"{path.name}: {found} near lines {lines[:9]}; write {WORDS}"


@pytest.mark.slow
def test_messages_help_settings_and_docstrings_are_in_plain_words() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {', '.join(words)}"
        for path in MODULES
        for line, text in texts_of(path)
        if (words := old_words(text))
    ]
    assert len(MODULES) > 300
    assert not found, "\n".join([f"write in their place: {WORDS}", *found])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("the training goes on", ["goes on"]),
        ("A training of an hour; a training split", ["A training"]),
        ("is told, and reported", ["told"]),
        ("write pictures/a.jpg or --save csv,pictures", []),
        ("Pictures of parts", ["Pictures"]),
        ("a recommended, foretold prefigured amendment", []),
    ],
)
def test_what_counts_as_an_old_word(text: str, words: list[str]) -> None:
    assert old_words(text) == words

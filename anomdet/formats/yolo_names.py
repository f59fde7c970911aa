"""Files of class names beside a YOLO dataset that contradict each other: one of them gives each class a wrong name.

Label Studio writes ``notes.json`` with the number of each class, and ``classes.txt`` in another order where the labels
have a ``category`` of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from anomdet.formats.dataset import Findings, Phrase, Source
from anomdet.formats.names_beside import read_notes
from anomdet.formats.pictures import is_file
from anomdet.formats.side_files import read_names

_NOTES = "notes.json"


def check_other_names(
    names: Mapping[int, str], used: str, paths: Sequence[Path], source: Source, *, is_settings: bool
) -> None:
    """Compare the names that are used with those of the other files.

    Args:
        names: that are used.
        used: their file, for messages; empty: none, so there is nothing to compare.
        paths: files with a name a line, which need not be there; ``notes.json`` is looked for beside the first.
        source: takes what contradicts: a note where the dataset's settings name the classes, else a problem.
        is_settings: the names are those of data.yaml or obj.data.
    """
    for path in [*paths, paths[0].parent / _NOTES]:
        where = source.name(path)
        if not used or where == used or not is_file(path):
            continue
        others = (read_notes(path) if path.name == _NOTES else read_names(path, where, Findings())) or {}
        wrong = [number for number, name in others.items() if names.get(number, name) != name]
        if wrong and is_settings:
            source.findings.note("file of class names that contradicts the settings", f"left out: {used} counts", where)
        elif wrong:
            expected = f"the name {names[wrong[0]]!r} for class {wrong[0]}, as in {used}"
            hint = "look at some images of a class, and delete the file that is wrong"
            source.findings.problem(where, expected, Phrase(repr(others[wrong[0]])), hint)

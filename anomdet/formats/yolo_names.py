"""Files of class names beside a YOLO dataset that contradict each other: one of them gives each class a wrong name.

Label Studio writes ``notes.json`` with the number of each class, and ``classes.txt`` in another order where the labels
have a ``category`` of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from anomdet.data.index.files import list_files
from anomdet.formats.dataset import Findings, Phrase, Source, to_number
from anomdet.formats.names_beside import read_notes
from anomdet.formats.pictures import in_any_case, is_file
from anomdet.formats.side_files import read_lines, read_names

_NOTES = "notes.json"
_NAME_FILES = ("classes.txt", "labels/classes.txt", "obj.names", "classes.names", "_darknet.labels", "labels.txt")


def name_files(root: Path) -> list[Path]:
    """Where the names may stand; the last two are Roboflow's and makesense.ai's. Windows' tools write Classes.txt, too.

    Such a file may also hold the labels of an image, which is called as it is, or labelme's list, whose first line is
    number -1.
    """
    paths = dict.fromkeys(in_any_case(root / name) for name in _NAME_FILES)
    return [path for path in paths if not _holds_others(path)]


def _holds_others(path: Path) -> bool:
    lines = [line.split() for _, line in read_lines(path, path.name, Findings())] if is_file(path) else []
    are_labels = all(len(fields) > 4 and None not in map(to_number, fields) for fields in lines)
    return bool(lines) and (are_labels or lines[0] == ["__ignore__"])


def name_files_below(root: Path, source: Source) -> list[Path]:
    """As LabelImg leaves them beside the labels, in every folder, or darknet's any.names; they must say the same."""
    paths = [root / file.name for file in list_files(root) if _holds_names(file.name.rpartition("/")[2])]
    paths = [path for path in paths if not _holds_others(path)]
    texts = [[line for _, line in read_lines(path, source.name(path), source.findings)] for path in paths]
    for path, text in zip(paths, texts, strict=True):
        if text != texts[0]:
            got = Phrase(f"other names than in {source.name(paths[0])}")
            source.findings.problem(source.name(path), "the same class names in each folder", got)
    return paths


def _holds_names(name: str) -> bool:
    return name.lower() in _NAME_FILES or name.lower().endswith(".names")


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

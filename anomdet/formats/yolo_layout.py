"""Where a YOLO dataset says its images, splits and class names are: data.yaml, darknet's obj.data, lists or folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anomdet.data.index.files import list_files
from anomdet.formats.dataset import NOTHING, Findings, Phrase, Source
from anomdet.formats.pictures import files_in, images_below, is_file, is_image
from anomdet.formats.side_files import classes_beside, load_yaml, read_lines, read_names
from anomdet.formats.yolo_names import check_other_names, name_files, name_files_below
from anomdet.layout import CLASSES_FILE, SPLIT_OF

_NO_IMAGE = "put the image there, since exports may leave the images out, or correct the line"


@dataclass
class Layout:
    """What a dataset says of itself.

    Args:
        root: the folder that it lies in.
        names: of the classes, by number.
        images: image file to the splits that name it; without lists all images, each to none.
        listed: whether lists or folders of splits are named.
        one_list: the settings name the same images for training and validation.
        keypoints: lines hold keypoints behind their box; None: the dataset does not say.
        num_long: lines of more than a box, as far as they were read.
        like_keypoints: where those stand that look like a box and its keypoints.
        texts: text files that are no labels: lists and class names.
        where: the file that says so, for messages.
    """

    root: Path
    names: dict[int, str] = field(default_factory=dict)
    images: dict[Path, set[str]] = field(default_factory=dict)
    listed: bool = False
    one_list: bool = False
    keypoints: bool | None = None
    num_long: int = 0
    like_keypoints: list[str] = field(default_factory=list)
    texts: set[Path] = field(default_factory=set)
    where: str = ""


def read_layout(source: Source) -> Layout | None:
    """The layout of a data.yaml, an obj.data or a folder; None if its settings cannot be read, which is reported."""
    path, content = _settings(source)
    layout = Layout(source.path if source.path.is_dir() else source.path.parent)
    if source.findings.problems:
        return None
    if path is not None and path.suffix.lower() != ".data":
        is_below = source.path.is_dir() and path.parent != source.path
        layout.root = source.path if is_below else _root(content, path)
        if "names" in content:
            layout.names = _names(content, source.name(path), source.findings)
            _compare_settings(layout.names, path, source)
        else:
            source.findings.note("settings without names of the classes", "their lists are used", source.name(path))
            layout.names = _names_from_lines({}, None, layout, source)
        layout.keypoints = bool(content["kpt_shape"]) if "kpt_shape" in content else None
        _check_count(content.get("nc"), layout, source.name(path), source.findings)
    else:
        layout.names = _names_from_lines(content, path, layout, source)
    _compare_names(layout, path, source)
    if path is None:
        content = {name: f"{name}.txt" for name in SPLIT_OF if is_list(layout.root / f"{name}.txt")}
    layout.where = source.name(path or layout.root)
    layout.one_list = content.get("train") == content.get("val")
    for image, split in _listed(content, path or layout.root, layout, source):
        layout.images.setdefault(Path(os.path.normpath(image)), set()).add(split)  # a/../b is b
    layout.listed = bool(layout.images)
    layout.images = layout.images or {layout.root / name: set() for name in images_below(layout.root)}
    return layout


def _settings(source: Source) -> tuple[Path | None, dict]:
    """The file that names the lists, and its content: YAML with ``names``, or darknet's ``key = value``."""
    if source.path.is_file():
        paths = [source.path]
    else:
        _report_special(source)
        ours = (CLASSES_FILE,) if classes_beside(source.path) is not None else ()
        yaml = [path for path in files_in(source.path, "*.yaml", "*.yml") if path.name not in ours]
        yaml.sort(key=lambda path: path.stem.lower() != "data")
        paths = yaml + files_in(source.path, "*.data")
    for path in paths:
        if path.suffix.lower() == ".data":
            return path, _pairs(path, source, source.findings)
        content = load_yaml(path, source.name(path), source.findings)
        if isinstance(content, dict) and ("names" in content or _names_lists(content)):
            return path, content
    if source.path.is_dir():
        return _settings_below(source)
    if not source.findings.problems:
        source.findings.problem(f"{source.name(source.path)}: names", "the names of the classes", NOTHING)
    return None, {}


def _names_lists(content: dict) -> bool:
    """Whether the images to train on are named, in settings without names of the classes."""
    train = content.get("train")
    return isinstance(train, str) or (isinstance(train, list) and all(isinstance(one, str) for one in train))


def _compare_settings(names: dict[int, str], path: Path, source: Source) -> None:
    """Another file of settings in the folder that names the classes otherwise; data.yaml goes before all others."""
    for other in files_in(path.parent, "*.yaml", "*.yml") if source.path.is_dir() else ():
        content = load_yaml(other, "", Findings()) if other.name not in (path.name, CLASSES_FILE) else None
        if not isinstance(content, dict) or "names" not in content:
            continue
        others = _names(content, "", Findings())
        wrong = [number for number, name in others.items() if names.get(number, name) != name]
        if wrong and path.stem.lower() == "data":
            fate = f"left out: {source.name(path)} counts"
            source.findings.note("settings that name the classes otherwise", fate, source.name(other))
        elif wrong:
            expected = f"the name {names[wrong[0]]!r} for class {wrong[0]}, as in {source.name(path)}"
            got = Phrase(repr(others[wrong[0]]))
            source.findings.problem(source.name(other), expected, got, "name the file that is right as SRC")


def _report_special(source: Source) -> None:
    """A pipe, a device or a link to nothing in the place of the settings: they would be missed without a word."""
    for path in sorted(path for pattern in ("*.yaml", "*.yml", "*.data") for path in source.path.glob(pattern)):
        if not (path.is_file() or path.is_dir() or path.name.startswith(".")):
            source.findings.problem(source.name(path), "a regular file", Phrase("a pipe, a device or a broken link"))


def _settings_below(source: Source) -> tuple[Path | None, dict]:
    """The one such file in a folder below the source, as darknet's ``data/obj.data``."""
    found: list[tuple[Path, dict]] = []
    for file in list_files(source.path):
        if "/" not in file.name or file.suffix not in (".data", ".yaml", ".yml"):
            continue
        path = source.path / file.name
        content = _pairs(path, source, Findings()) if file.suffix == ".data" else load_yaml(path, "", Findings())
        if isinstance(content, dict) and "names" in content and SPLIT_OF.keys() & content.keys():
            found.append((path, content))
    if len(found) > 1:
        got = Phrase(f"{len(found)}: {', '.join(source.name(path) for path, _ in found[:3])}")
        hint = "they may number their classes differently; convert the folder of each by itself"
        source.findings.problem("SRC", "one data.yaml or obj.data", got, hint)
    return found[0] if len(found) == 1 else (None, {})


def _pairs(path: Path, source: Source, findings: Findings) -> dict[str, str]:
    """darknet's ``key = value`` lines."""
    pairs = (line.partition("=") for _, line in read_lines(path, source.name(path), findings))
    return {key.strip(): value.strip() for key, _, value in pairs}


def _root(content: dict, yaml_path: Path) -> Path:
    """``path`` where it leads somewhere; it is often that of another machine."""
    given = yaml_path.parent / str(content.get("path") or "")
    return given if os.path.isdir(given) else yaml_path.parent  # noqa: PTH112 (as is_file)


def _names(content: dict, where: str, findings: Findings) -> dict[int, str]:
    names: Any = content["names"]
    if isinstance(names, list):
        names = dict(enumerate(names))
    elif isinstance(names, dict):
        names = {_number(key): name for key, name in names.items()}
    if not isinstance(names, dict) or not all(isinstance(number, int) for number in names):
        findings.problem(f"{where}: names", "a list of names, or {0: scratch, 1: dent}", names)
        return {}
    for number, name in names.items():
        if not isinstance(name, (str, int)) or isinstance(name, bool):
            findings.problem(f"{where}: names.{number}", "a text", name, "put it in quotes")
    return {number: str(name) for number, name in names.items() if str(name).strip()}


def _check_count(count: Any, layout: Layout, where: str, findings: Findings) -> None:
    """``nc`` that contradicts the names: the labels show whether a name is missing."""
    if isinstance(count, int) and layout.names and count != max(layout.names) + 1:
        what = f"nc: {count} beside names of {max(layout.names) + 1} classes"
        findings.note(what, "left out: the names count", where)


def _number(key: Any) -> Any:
    """A class number, also where it was saved as a text."""
    return int(key) if isinstance(key, str) and key.isascii() and key.isdecimal() and len(key) < 10 else key


def _names_from_lines(content: dict, path: Path | None, layout: Layout, source: Source) -> dict[int, str]:
    named = str(content.get("names") or "")
    given = _under(named, layout.root) or (_under(named, path.parent) if path else None)
    if named and given is None:
        where = source.name(path) if path else "obj.data"
        source.findings.problem(f"{where}: names", "a list of class names", named, "correct the path")
    found = [path for path in (given, *name_files(layout.root)) if path and is_file(path)]
    found = found or name_files_below(layout.root, source)
    layout.texts.update(found)
    return read_names(found[0], source.name(found[0]), source.findings) if found else {}


def _compare_names(layout: Layout, path: Path | None, source: Source) -> None:
    """All files with class names must give the numbers the same ones."""
    files = name_files(layout.root)
    taken = next((source.name(file) for file in files if file in layout.texts), "")
    used = source.name(path) if path is not None else taken
    check_other_names(layout.names, used if layout.names else "", files, source, is_settings=path is not None)


def _listed(content: dict, path: Path, layout: Layout, source: Source) -> Iterator[tuple[Path, str]]:
    """Images and their split by the lists and folders of train, val and test."""
    where = path.name if path.suffix else source.name(path)
    for key, split in SPLIT_OF.items():
        value = content.get(key)
        for text in value if isinstance(value, list) else [value] if value else []:
            # Roboflow writes ../train/images where train/images is meant, darknet data/train.txt
            beside = path.parent if path.suffix else layout.root
            guesses = [layout.root / str(text), _under(str(text), layout.root), _under(str(text), beside)]
            found = next((guess for guess in guesses if guess and os.path.exists(guess)), None)  # noqa: PTH110
            if found is None:
                expected = "a folder or a list of images"
                source.findings.problem(f"{where}: {key}", expected, str(text), "correct the path")
            elif found.is_dir():
                yield from ((found / name, split) for name in images_below(found))
            else:
                layout.texts.add(found)
                yield from ((image, split) for image in _from_list(found, layout.root, source))


def _from_list(path: Path, root: Path, source: Source) -> Iterator[Path]:
    for place, line in read_lines(path, source.name(path), source.findings):
        if not is_image(line):
            source.findings.problem(place, "the path of an image", line)
            continue
        guesses = [path.parent / line, root / line, _under(line, root), _under(line, path.parent)]
        found = next((guess for guess in guesses if guess and is_file(guess)), None)
        if found is None:
            source.findings.problem(place, "an image that is there", line, _NO_IMAGE)
        else:
            yield found


def _under(path: str, root: Path) -> Path | None:
    """A path of another machine or folder: the longest part of its end that is there below the root."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    tails = (root.joinpath(*parts[at:]) for at in range(len(parts)))
    return next((tail for tail in tails if os.path.exists(tail)), None)  # noqa: PTH110


def is_list(path: Path) -> bool:
    """Whether each line of a file is the path of an image."""
    if not is_file(path):
        return False
    lines = [line for _, line in read_lines(path, path.name, Findings())]
    return bool(lines) and all(map(is_image, lines))


def name_below(path: Path, root: Path) -> str:
    """The name of an image below the root, without a folder called ``images``: the first part, else the last."""
    path, root = (Path(os.path.abspath(part)) for part in (path, root))  # noqa: PTH100 (links stay)
    if not path.is_relative_to(root):
        return path.name
    name = path.relative_to(root).as_posix()
    return (
        name.removeprefix("images/") if name.startswith("images/") else without_folder(name, "images", any_case=False)
    )


def without_folder(name: str, folder: str, *, any_case: bool = True) -> str:
    """A name without the last of its folders that is called so.

    >>> without_folder("train/Labels/a.txt", "labels")
    'train/a.txt'
    """
    parts = name.split("/")
    called = [part.lower() if any_case else part for part in parts[:-1]]
    if folder in called:
        parts.pop(len(called) - 1 - called[::-1].index(folder))
    return "/".join(parts)

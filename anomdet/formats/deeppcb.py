"""DeepPCB as its authors publish it: group*/NNN/X_test.jpg and X_temp.jpg, group*/NNN_not/X.txt, lists of pairs.

Source: https://github.com/tangsanli5201/DeepPCB. A line is ``x1 y1 x2 y2 type``; X_temp.jpg is the defect-free board.
"""

from __future__ import annotations

from pathlib import Path

from anomdet.formats.accounting import take_unlabelled
from anomdet.formats.dataset import NOTHING, Box, Dataset, Findings, Picture, Source, add_box, to_number
from anomdet.formats.pictures import find_image, images_below
from anomdet.formats.side_files import read_lines

NAMES = {1: "open", 2: "short", 3: "mousebite", 4: "spur", 5: "copper", 6: "pin-hole"}
_LISTS = {"trainval.txt": "train", "test.txt": "test"}


def read(source: Source) -> Dataset:
    """The folder PCBData, or one that holds it; templates become normal images, in the split of their twin."""
    dataset = Dataset(names=dict(NAMES))
    root = next((path for path in (source.path, source.path / "PCBData") if any(path.glob("group*"))), None)
    if root is None:
        source.findings.problem(str(source.path), "a folder with group*/ in it, as PCBData", NOTHING)
        return dataset
    splits = _splits(root, source)
    for path in sorted(root.glob("group*/*_not/*.txt")):
        key = path.relative_to(root).as_posix()
        split = splits.pop(key, "")
        folder = path.parent.parent / path.parent.name.removesuffix("_not")
        picture = _image(folder, path.stem, "_test", key, split)
        dataset.pictures.append(picture)
        _read_labels(path, source.name(path), picture, source.findings)
        template = _image(folder, path.stem, "_temp", key, split)
        if template.path is not None:
            dataset.pictures.append(template)
            source.findings.note("defect-free template", "taken as a normal image", template.file_name)
    used = {picture.path for picture in dataset.pictures}
    for name in images_below(root):
        if root / name not in used:
            picture = Picture(name.rpartition("/")[2], name, root / name)
            take_unlabelled(picture, "image without a label file", dataset, source)
    for key in splits:
        source.findings.problem("trainval.txt, test.txt", f"the label file {key}", NOTHING)
    return dataset


def _splits(root: Path, source: Source) -> dict[str, str]:
    """Label file, relative to the root, to its split."""
    splits = {}
    for name, split in _LISTS.items():
        path = root / name
        for place, line in read_lines(path, source.name(path), source.findings) if path.is_file() else ():
            fields = line.split()
            if len(fields) == 2:
                splits[fields[1]] = split
            else:
                source.findings.problem(place, "an image and its label file", line)
    return splits


def _image(folder: Path, stem: str, kind: str, where: str, split: str) -> Picture:
    path = find_image([f"{stem}{kind}.jpg"], [folder])
    return Picture(f"{stem}{kind}.jpg", where, path, split=split)


def _read_labels(path: Path, where: str, picture: Picture, findings: Findings) -> None:
    for place, line in read_lines(path, where, findings):
        numbers = [to_number(field) for field in line.replace(",", " ").split()]
        if len(numbers) != 5 or None in numbers:
            findings.problem(place, "'x1 y1 x2 y2 type'", line)
            continue
        x1, y1, x2, y2, kind = (number or 0.0 for number in numbers)
        if kind not in NAMES:
            findings.problem(place, "a type from 1 to 6", line.split()[-1])
            continue
        add_box(picture, Box(int(kind), x1, y1, x2 - x1, y2 - y1, place), findings)

"""AnomDet's own folder: images/ and labels/, which mirror each other; see :mod:`anomdet.data.labels`."""

from __future__ import annotations

from pathlib import Path

from anomdet.data.index.files import list_files
from anomdet.data.labels import parse_label_file
from anomdet.formats.dataset import NOTHING, Box, Dataset, Findings, Picture, Source, add_box
from anomdet.formats.pictures import images_below


def read(source: Source) -> Dataset:
    """Boxes keep all digits that the text has; they are not cut to the image."""
    folders = [source.path / "images", source.path / "labels"]
    for folder in folders:
        if not folder.is_dir():
            source.findings.problem(source.name(folder), "a folder", NOTHING, "SRC holds images/ and labels/")
    if source.findings.problems:
        return Dataset()
    names = images_below(folders[0])
    labels = {file.stem: file.name for file in list_files(folders[1]) if file.suffix == ".txt"}
    dataset = Dataset()
    for name in names:
        picture = Picture(name, f"images/{name}", folders[0] / name)
        dataset.pictures.append(picture)
        label = labels.get(picture.stem)
        if label is not None:
            _read_labels(f"{folders[1]}/{label}", f"labels/{label}", picture, source.findings)
        else:
            hint = "write an empty file for a normal image"
            source.findings.problem(picture.where, f"labels/{picture.stem}.txt", NOTHING, hint)
    stems = {picture.stem for picture in dataset.pictures}
    for stem in labels.keys() - stems:
        source.findings.problem(f"labels/{labels[stem]}", f"an image images/{stem}.*", NOTHING)
    return dataset


def _read_labels(path: str, where: str, picture: Picture, findings: Findings) -> None:
    label_file = parse_label_file(path, where=where)
    findings.problems.extend(label_file.problems)
    if not label_file.line_nums:
        return
    with open(path, "rb") as file:  # noqa: PTH123 (speed)
        lines = file.read().decode("utf-8-sig").split("\n")  # the parsed boxes are single precision
    for class_num, line_num in zip(label_file.labels.class_nums.tolist(), label_file.line_nums, strict=True):
        x, y, width, height = (float(field) for field in lines[line_num - 1].split()[1:])
        add_box(picture, Box(class_num, x, y, width, height, f"{where}:{line_num}"), findings)


def write(dataset: Dataset, out: Path) -> None:
    """labels/, one file for each image; an empty one for a normal image."""
    folder = out / "labels"
    for parent in {(folder / picture.file_name).parent for picture in dataset.pictures}:
        parent.mkdir(parents=True, exist_ok=True)
    for picture in dataset.pictures:
        rows = (f"{box.label} {' '.join(f'{value:.10g}' for value in box[1:5])}\n" for box in picture.boxes)
        with open(f"{folder}/{picture.stem}.txt", "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 (speed)
            file.write("".join(rows))

"""AnomDet's own folder: images/ and labels/, which mirror each other; see :mod:`anomdet.data.labels`."""

from __future__ import annotations

from pathlib import Path

from anomdet.data.index.files import list_files
from anomdet.data.index.lost_labels import hint_of_lost_label, lost_labels
from anomdet.data.index.spelling import by_spelling, hint_of_missing_image, hint_of_missing_label, other_kinds
from anomdet.data.labels import parse_label_file
from anomdet.formats.accounting import splits_by_folder, take_unlabelled
from anomdet.formats.dataset import NOTHING, Box, Dataset, Findings, Phrase, Picture, Source, add_box
from anomdet.formats.names_beside import names_beside
from anomdet.formats.pictures import images_below
from anomdet.layout import CLASSES_FILE, IMAGES_DIR, LABELS_DIR, SPLITS_DIR
from anomdet.strict_files import read_regular

_UNLABELLED_HINT = "write an empty file for a normal image, or choose --unlabelled normal or skip"


def read(source: Source) -> Dataset:
    """Boxes keep all digits that the text has; they are not cut to the image."""
    folders = [source.path / IMAGES_DIR, source.path / LABELS_DIR]
    for folder in folders:
        if not folder.is_dir():
            source.findings.problem(source.name(folder), "a folder", NOTHING, "SRC holds images/ and labels/")
    if source.findings.problems:
        return Dataset()
    names = images_below(folders[0])
    labels = _by_stem(folders[1], source.findings)
    dataset = Dataset()
    pictures = {
        picture.stem: picture for picture in (Picture(name, f"images/{name}", folders[0] / name) for name in names)
    }
    twins = _report_twins(names, source.findings)
    lone_labels = by_spelling(stem for stem in labels if stem not in pictures)
    in_images = [file.name for file in list_files(folders[0])]
    lost = lost_labels(str(folders[0]), in_images, labels)
    for stem, picture in pictures.items():
        if stem in labels and stem not in twins:
            dataset.pictures.append(picture)
            _read_labels(f"{folders[1]}/{labels[stem]}", f"labels/{labels[stem]}", picture, source.findings)
        elif stem not in labels and (stem in lost or source.unlabelled in (None, "error")):
            hint = hint_of_missing_label(picture.file_name, lone_labels, _UNLABELLED_HINT)
            hint = hint_of_lost_label(stem, lost) or hint
            source.findings.problem(picture.where, f"labels/{stem}.txt", NOTHING, hint)
        elif stem not in labels:
            take_unlabelled(picture, "image without a label file", dataset, source)
    spellings = by_spelling(pictures) if lone_labels else {}
    others = other_kinds(in_images) if lone_labels else {}
    for stem in sorted(labels.keys() - pictures.keys()):
        hint = hint_of_missing_image(stem, spellings, others)
        source.findings.problem(f"labels/{labels[stem]}", f"an image images/{stem}.*", NOTHING, hint)
    _name_classes(dataset, source)
    if not (source.path / SPLITS_DIR).is_dir():  # a classes.yaml beside the data is mostly the owner's
        splits_by_folder(dataset, folders[0], lambda picture: picture.file_name.rpartition("/")[0])
    return dataset


def _name_classes(dataset: Dataset, source: Source) -> None:
    """Names in classes.txt, data.yaml and the like, in place; those of classes.yaml every format gets."""
    if (source.path / CLASSES_FILE).is_file():
        return
    found = names_beside(source.path, {int(box.label) for picture in dataset.pictures for box in picture.boxes})
    for note in found.notes[: len(found.notes) - bool(found.unused)]:
        file, _, reason = note.partition(" not used: ")
        source.findings.note("file of class names", f"not used: {reason}", file)
    if found.source:
        others = {num: name for num, name in found.unused.items() if name not in found.names.values()}
        dataset.names = {**found.names, **others}


def _by_stem(folder: Path, findings: Findings) -> dict[str, str]:
    """The label files; two of one name are a problem, other files are noted."""
    labels: dict[str, str] = {}
    for file in list_files(folder):
        if file.suffix != ".txt":
            findings.note("file in labels/ that is no text file", "left out", f"labels/{file.name}")
        elif (twin := labels.setdefault(file.stem, file.name)) is not file.name:
            hint = "put all objects into one of them"
            findings.problem(f"labels/{file.name}", "one label file for an image", Phrase(f"labels/{twin} too"), hint)
    return labels


def _report_twins(names: list[str], findings: Findings) -> set[str]:
    """The stems that several images share, and so their label file."""
    first_of: dict[str, str] = {}
    twins = set()
    for name in names:
        stem = Picture(name, name).stem
        if (first := first_of.setdefault(stem, name)) is not name:
            twins.add(stem)
            got = Phrase(f"images/{first} too, which has the same label file")
            findings.problem(f"images/{name}", "a name of its own", got, "rename one")
    return twins


def _read_labels(path: str, where: str, picture: Picture, findings: Findings) -> None:
    label_file = parse_label_file(path, where=where)
    findings.problems.extend(label_file.problems)
    if not label_file.line_nums:
        return
    lines = read_regular(path).decode("utf-8-sig").split("\n")  # the parsed boxes are single precision
    for class_num, line_num in zip(label_file.labels.class_nums.tolist(), label_file.line_nums, strict=True):
        x, y, width, height = (float(field) for field in lines[line_num - 1].split()[1:])
        add_box(picture, Box(class_num, x, y, width, height, f"{where}:{line_num}"), findings)


def write(dataset: Dataset, out: Path) -> None:
    """labels/, one file for each image; an empty one for a normal image."""
    folder = out / LABELS_DIR
    for parent in {(folder / picture.file_name).parent for picture in dataset.pictures}:
        parent.mkdir(parents=True, exist_ok=True)
    for picture in dataset.pictures:
        rows = (f"{box.label} {' '.join(f'{value:.10g}' for value in box[1:5])}\n" for box in picture.boxes)
        with open(f"{folder}/{picture.stem}.txt", "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 (speed)
            file.write("".join(rows))

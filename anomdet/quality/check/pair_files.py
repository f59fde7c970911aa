"""Which image belongs to which label file, and which files have no partner."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from anomdet.data.index.files import IMAGE_SUFFIXES, FoundFile, found_files
from anomdet.data.index.listing import list_folders
from anomdet.data.index.lost_labels import hint_of_lost_label, lost_labels
from anomdet.data.index.scan import no_data_folder
from anomdet.data.index.spelling import (
    NO_LABELS,
    by_spelling,
    hint_of_folder,
    hint_of_missing_image,
    hint_of_missing_label,
    other_kinds,
)
from anomdet.errors import Problem, UserError
from anomdet.layout import IMAGES_DIR, LABELS_DIR
from anomdet.quality.check.findings import ERROR, NOTE, Finding


@dataclass(frozen=True, slots=True)
class Entry:
    """An image with its label file, or either of them alone.

    Args:
        image: relative to images/; None: a label file without an image.
        label: below labels/; None: there is none.
        whole: training would use it: an image with a label file, or one that may do without.
    """

    image: FoundFile | None
    label: FoundFile | None
    whole: bool


@dataclass(frozen=True, slots=True)
class _Missing:
    """What an image without a label file is.

    Args:
        rule: error, normal or skip.
        lost: stem to the file beside the image that has its objects: such an image is an error by any rule.
    """

    rule: str
    lost: dict[str, str]

    def of(self, stem: str) -> str:
        return "error" if stem in self.lost else self.rule


def pair_files(data_dir: Path, missing_labels: str) -> tuple[list[Entry], list[Finding]]:
    """All files of a data folder.

    Args:
        data_dir: holds images/ and labels/.
        missing_labels: as in the settings: error, normal or skip.

    Raises:
        UserError: images/ or labels/ is missing.
    """
    if problem := no_data_folder("data", data_dir):
        raise UserError(problem)
    holds = "the data folder holds images/ and labels/"
    missing = [
        Problem(str(data_dir / name), "a folder", "nothing", hint_of_folder(data_dir, name) or holds)
        for name in ("images", "labels")
        if not (data_dir / name).is_dir()
    ]
    if missing:
        raise UserError(missing)
    findings: list[Finding] = []
    listed = list_folders([os.fspath(data_dir / IMAGES_DIR), os.fspath(data_dir / LABELS_DIR)])
    found = found_files(listed[0])
    images = _of_kind(found, IMAGE_SUFFIXES, "images", findings)
    labels = _of_kind(found_files(listed[1]), (".txt",), "labels", findings)
    findings += map(_line_break, (image for image in images if "\n" in image.name))
    stems = [_stem(image) for image in images]
    if images and stems == [_stem(label) for label in labels] and len(set(stems)) == len(stems):
        return [Entry(image, label, whole=True) for image, label in zip(images, labels, strict=True)], findings
    label_of, label_twins = _label_of_stem(labels, findings)
    lost = lost_labels(os.fspath(data_dir / IMAGES_DIR), (one.name for one in found), label_of)
    entries = _pair_images(images, label_of, label_twins, _Missing(missing_labels, lost), findings)
    image_stems = set(stems)
    lone_labels = [stem for stem in label_of if stem not in image_stems]
    images_by_spelling = by_spelling(image_stems) if lone_labels else {}
    others = other_kinds(one.name for one in found) if lone_labels else {}
    for stem, label in label_of.items():
        if stem not in image_stems:
            hint = hint_of_missing_image(stem, images_by_spelling, others)
            if not hint and stem in NO_LABELS:
                hint = "move it out of labels/"
            expected = f"an image images/{stem}.*"
            findings.append(Finding("label-without-image", f"labels/{label.name}", 0, expected, "nothing", hint))
            entries.append(Entry(None, label, whole=False))
    if not images:
        suffixes = " ".join(suffix[1:] for suffix in IMAGE_SUFFIXES)
        findings.append(Finding("no-images", "images", 0, f"at least one image ({suffixes})", "none"))
    return entries, findings


def _line_break(image: FoundFile) -> Finding:
    hint = "rename it and its label file: the list files of the splits have a name a line"
    return Finding("image-name", f"images/{image.name}", 0, "a name without a line break", "one", hint)


def _of_kind(
    files: list[FoundFile], suffixes: tuple[str, ...], folder: str, findings: list[Finding]
) -> list[FoundFile]:
    """Those with one of the suffixes; the others are noted."""
    chosen = []
    for file in files:
        name = file.name
        if name[name.rfind(".") :].lower() in suffixes:
            chosen.append(file)
            continue
        expected = f"only {' '.join(suffix[1:] for suffix in suffixes)} files"
        findings.append(Finding("file-ignored", f"{folder}/{file.name}", 0, expected, "another; it is ignored"))
    return chosen


def _stem(file: FoundFile) -> str:
    """Of a file of a known kind, quicker than :attr:`FoundFile.stem`."""
    return file.name[: file.name.rindex(".")]


def _label_of_stem(labels: list[FoundFile], findings: list[Finding]) -> tuple[dict[str, FoundFile], set[str]]:
    """Of two that differ in the case of their suffix alone the last; and the stems of such, which training refuses."""
    label_of: dict[str, FoundFile] = {}
    twins: set[str] = set()
    for label in labels:
        stem = _stem(label)
        if stem in label_of:
            twins.add(stem)
            got = f"labels/{label_of[stem].name} too"
            hint = "put all objects into one of them"
            findings.append(Finding("label-twins", f"labels/{label.name}", 0, "one label file for an image", got, hint))
        label_of[stem] = label
    return label_of, twins


def _pair_images(
    images: list[FoundFile],
    label_of: dict[str, FoundFile],
    label_twins: set[str],
    missing: _Missing,
    findings: list[Finding],
) -> list[Entry]:
    entries: list[Entry] = []
    first_of: dict[str, FoundFile] = {}
    images_of = set(map(_stem, images))
    labels_by_spelling = by_spelling(stem for stem in label_of if stem not in images_of)
    num_empty = sum(label.size == 0 and not label.special for label in label_of.values())
    stems = [_stem(image) for image in images]
    pairs = list(zip(stems, images, strict=True))
    twins = label_twins | {stem for stem, image in pairs if first_of.setdefault(stem, image) is not image}
    for stem, image in pairs:
        label = label_of.get(stem)
        first = first_of[stem]
        if first is not image:
            got = f"images/{first.name} too, which has the same label file"
            findings.append(Finding("image-twins", f"images/{image.name}", 0, "a name of its own", got, "rename one"))
        elif label is None:
            findings.append(_without_label(image, labels_by_spelling, missing, num_empty))
        may_miss = label is not None or missing.of(stem) == "normal"
        entries.append(Entry(image, label if first is image else None, may_miss and stem not in twins))
    return entries


def _without_label(image: FoundFile, lone_labels: dict[str, list[str]], missing: _Missing, num_empty: int) -> Finding:
    like = f" (there are {num_empty})" if num_empty else ""
    otherwise = f"write an empty file for a normal image{like}, or set data.missing_labels"
    hint = hint_of_lost_label(image.stem, missing.lost) or hint_of_missing_label(image.name, lone_labels, otherwise)
    severity, got = {
        "error": (ERROR, "nothing"),
        "normal": (NOTE, "nothing; it counts as a normal image (data.missing_labels)"),
        "skip": (NOTE, "nothing; it is left out (data.missing_labels)"),
    }[missing.of(image.stem)]
    where, expected = f"images/{image.name}", f"labels/{image.stem}.txt"
    return Finding("image-without-label", where, 0, expected, got, hint if severity == ERROR else "", severity)

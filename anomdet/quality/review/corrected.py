"""A corrected copy of a data folder, by a person's decisions; the folder itself is never touched."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from anomdet.boxes import clip_xyxy, xywh_to_xyxy, xyxy_to_xywh
from anomdet.data.index.scan import DataIndex
from anomdet.data.labels import NO_OBJECTS, LabelFile, Labels, label_path, parse_label_file
from anomdet.data.sampling.hard_normals import read_hard_normals
from anomdet.data.splits.lists import write_names
from anomdet.documents.review_kinds import Decision, Decisions, LabelBox
from anomdet.errors import Problem, UserError
from anomdet.layout import CHANGES, CLASSES_FILE, HARD_NORMALS, IMAGES_DIR, LABELS_DIR, SPLIT_LISTS
from anomdet.output_rule import check_apart, check_new_folder, data_folders
from anomdet.quality.check.fix import Change, appearing, changes_csv, label_line, place_image

_SAME_PX = 0.02  # files hold coordinates to three decimals
_LEAST_PX = 0.5
_MOST_PROBLEMS = 20


@dataclass(frozen=True)
class Corrected:
    """What was written.

    Args:
        out_dir: the copy.
        num_images: in it.
        changes: each of them, as in changes.csv.
        num_hard_normals: images in hard_normals.txt.
        notes: on the images: those that are left out, as data.missing_labels says.
    """

    out_dir: Path
    num_images: int
    changes: list[Change]
    num_hard_normals: int = 0
    notes: tuple[str, ...] = ()


@dataclass
class _Edit:
    """Of one label file: line numbers that go, with their kinds, and lines that come."""

    removed: dict[int, str] = field(default_factory=dict)
    added: list[tuple[str, str]] = field(default_factory=list)


def write_corrected(index: DataIndex, decided: Decisions, out_dir: Path, where: str) -> Corrected:
    """Write images/, labels/, changes.csv and hard_normals.txt; the folder appears whole or not at all.

    classes.yaml and the lists of splits/ are copied as they are.

    Images are hard links where the disk allows it, else copies. A label file without a change is copied as it is; in
    one with changes, the other lines stay as they are. The list of hard normals has those of the data too, without the
    images that get a label now.

    Args:
        index: the data set that was reviewed.
        decided: whatever is accepted is done.
        out_dir: a new or empty folder.
        where: names the decisions' file in the errors.

    Raises:
        UserError: ``out_dir`` is not free, or a decision does not fit the data; nothing was written then.
    """
    check_new_folder(out_dir, "--out")
    names = index.columns.file_names()
    check_apart(out_dir, data_folders(index.data_dir, names), "--out")
    position_of = {name: at for at, name in enumerate(names)}
    edits = _edits(index, position_of, decided["decisions"], where)
    hard = _hard_normals(index, position_of, decided.get("hard_normals", []), edits, where)
    changes: list[Change] = []
    with appearing(out_dir, "--out") as partial:
        for at, name in enumerate(names):
            place_image(index.data_dir / IMAGES_DIR / name, partial / IMAGES_DIR / name)
            source = label_path(index.data_dir / LABELS_DIR, name)
            _write_label(source, label_name(name), partial, edits.get(at, _Edit()), changes)
        (partial / CHANGES).write_text(changes_csv(changes), encoding="utf-8", errors="backslashreplace")
        _take_along(index.data_dir, partial)
        if hard:
            write_names(partial / HARD_NORMALS, index, hard)
    notes = tuple(note for note in index.notes if "without a label file" in note)
    return Corrected(out_dir, len(names), changes, len(hard), notes)


def _take_along(data_dir: Path, out_dir: Path) -> None:
    """The class names and the splits: the copy would be split anew, and test images learned."""
    for name in (one for one in (CLASSES_FILE, *SPLIT_LISTS) if (data_dir / one).is_file()):
        (out_dir / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(data_dir / name, out_dir / name)


def label_name(image_name: str) -> str:
    """Of the label file of an image, below labels/."""
    return f"{image_name.rpartition('.')[0]}.txt"


def _edits(
    index: DataIndex, position_of: Mapping[str, int], decisions: Sequence[Decision], where: str
) -> dict[int, _Edit]:
    """What is to be done to which image; all that is wrong at once."""
    edits: dict[int, _Edit] = {}
    problems: list[Problem] = []
    decided: set[int] = set()
    for at, decision in enumerate(decisions):
        if decision["id"] in decided:
            problems.append(Problem(f"{where}: decisions[{at}].id", "each suspect once", f"{decision['id']} again"))
            continue
        decided.add(decision["id"])
        if decision["decision"] != "accept":
            continue
        place = f"{where}: decisions[{at}]"
        image = position_of.get(decision["image"])
        if image is None:
            hint = "give the settings of the data that was reviewed"
            expected = f"the name of an image in {index.data_dir}"
            problems.append(Problem(f"{place}.image", expected, repr(decision["image"]), hint))
            continue
        problems += _add(index, image, decision, edits.setdefault(image, _Edit()), place)
    _refuse(problems)
    return edits


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        shown = problems[:_MOST_PROBLEMS]
        more = f", the first {len(shown)} of {len(problems)}" if len(problems) > len(shown) else ""
        raise UserError(shown, title=f"The decisions do not fit the data{more}:")


def _hard_normals(
    index: DataIndex, position_of: Mapping[str, int], confirmed: Sequence[str], edits: Mapping[int, _Edit], where: str
) -> list[int]:
    """Positions of the confirmed ones and of those that the data list already, which stay without labels."""
    listed, problems = index.data_dir / HARD_NORMALS, []
    hard = set(read_hard_normals(index, listed).tolist()) if listed.is_file() else set()
    counts = np.diff(index.columns.box_starts)
    for number, name in enumerate(confirmed):
        at = position_of.get(name)
        if at is None or counts[at]:
            got = repr(name) if at is None else f"{name!r} with {counts[at]}"
            hint = "give the settings of the data that was reviewed"
            expected = f"an image in {index.data_dir} without labels"
            problems.append(Problem(f"{where}: hard_normals[{number}]", expected, got, hint))
        else:
            hard.add(at)
    _refuse(problems)
    return sorted(at for at in hard if at not in edits or not edits[at].added)


def _add(index: DataIndex, image: int, decision: Decision, edit: _Edit, place: str) -> Iterator[Problem]:
    """Put a decision into an edit, or say why not."""
    record = index.records[image]
    path = label_path(index.data_dir / LABELS_DIR, record.file_name)
    if not decision["remove"] and not decision["add"]:
        yield Problem(place, "a label to remove or to add", "neither")
    file = parse_label_file(path, where=str(path)) if path.is_file() else LabelFile(NO_OBJECTS, (), ())
    clipped = Labels(clip_xyxy(file.labels.bboxes_xyxy, record.height, record.width), file.labels.class_nums)
    for number, box in enumerate(decision["remove"]):
        line = _line_of(clipped, file.line_nums, box, edit.removed)
        if line is None:
            hint = "the labels have changed since the review, or another decision removes it too"
            got = label_line(box["class_num"], np.array(box["bbox_xywh"]))
            yield Problem(f"{place}.remove[{number}]", f"a label of {path}", got, hint)
        else:
            edit.removed[line] = decision["kind"]
    for number, box in enumerate(decision["add"]):
        inside = _inside(box, record.height, record.width)
        if inside is None:
            expected = f"a box within the image of {record.width} x {record.height} pixels"
            yield Problem(f"{place}.add[{number}].bbox_xywh", expected, repr(box["bbox_xywh"]))
        elif box["class_num"] not in index.class_nums:
            expected = f"a class of the data, one of {', '.join(map(str, index.class_nums))}"
            yield Problem(f"{place}.add[{number}].class_num", expected, str(box["class_num"]))
        elif _line_of(clipped, file.line_nums, _as_label(box["class_num"], inside), edit.removed) is not None:
            hint = "these decisions were applied to the data before"
            expected = f"a label that {path} has not yet"
            yield Problem(f"{place}.add[{number}]", expected, label_line(box["class_num"], inside), hint)
        elif (text := label_line(box["class_num"], inside)) not in [one for _, one in edit.added]:
            edit.added.append((decision["kind"], text))


def _line_of(labels: Labels, line_nums: Sequence[int], box: LabelBox, taken: Mapping[int, str]) -> int | None:
    """The number of the line that a label stands in; None: there is none that no other decision has taken."""
    wanted = xywh_to_xyxy(np.array([box["bbox_xywh"]], dtype=np.float64))
    near = (np.abs(labels.bboxes_xyxy - wanted) <= _SAME_PX).all(axis=1) & (labels.class_nums == box["class_num"])
    return next((line_nums[at] for at in np.flatnonzero(near).tolist() if line_nums[at] not in taken), None)


def _as_label(class_num: int, bbox_xywh: np.ndarray) -> LabelBox:
    return {"class_num": class_num, "bbox_xywh": bbox_xywh.tolist()}


def _inside(box: LabelBox, height: int, width: int) -> np.ndarray | None:
    """Corner and size within the image; None where not half a pixel of it is."""
    clipped = clip_xyxy(xywh_to_xyxy(np.array([box["bbox_xywh"]], dtype=np.float64)), height, width)
    inside = np.round(xyxy_to_xywh(clipped)[0], 3)
    return inside if (inside[2:] >= _LEAST_PX).all() else None


def _write_label(source: Path, name: str, out_dir: Path, edit: _Edit, changes: list[Change]) -> None:
    target = out_dir / LABELS_DIR / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shown = f"{LABELS_DIR}/{name}"
    if not edit.removed and not edit.added:
        if source.is_file():
            shutil.copyfile(source, target)
        else:
            target.write_bytes(b"")
            changes.append(Change(shown, 0, "added", "image-without-label", "", "an empty file"))
        return
    text = source.read_bytes().decode("utf-8-sig") if source.is_file() else ""
    kept = []
    for number, line in enumerate(text.split("\n"), start=1):
        if number in edit.removed:
            changes.append(Change(shown, number, "removed", edit.removed[number], line.strip()))
        elif line.strip():
            kept.append(line.rstrip("\r"))
    for kind, line in edit.added:
        changes.append(Change(shown, 0, "added", kind, "", line))
    target.write_text("".join(f"{line}\n" for line in [*kept, *(line for _, line in edit.added)]), encoding="utf-8")

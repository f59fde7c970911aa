"""The data folder read in full, by all cores: its columns, or everything that is wrong with it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from anomdet.data.index.columns import Columns, join_names
from anomdet.data.index.image_batches import ImageCheck
from anomdet.data.index.listing import Listing
from anomdet.data.index.lost_labels import hint_of_lost_label, lost_labels
from anomdet.data.index.pairs import Part, read_pairs
from anomdet.data.index.parallel import in_parallel, num_cores, share_out
from anomdet.data.index.spelling import by_spelling, hint_of_missing_image, hint_of_missing_label, other_kinds
from anomdet.data.labels import parse_label_file
from anomdet.errors import Problem
from anomdet.images.read_header import IMAGE_SUFFIXES

LABELS_HINT = "each images/x.png has its labels/x.txt, empty for a normal image"
EMPTY_FILE = "write an empty file for a normal image, or set data.missing_labels"
_MIN_SHARE = 4000  # images for which another process is worth its start


@dataclass
class Built:
    """What a data folder holds, and what is wrong or worth saying, whatever classes are allowed.

    Args:
        columns: of the good images.
        class_nums: found in the labels, sorted.
        class_places: class number to the first label file with it, and to the number of its objects.
        problems: in the order in which they are reported.
        late_problems: of all files together: reported first, since they explain others.
        notes: what was corrected or left out.
        late_notes: reported behind those of the classes.
    """

    columns: Columns
    class_nums: tuple[int, ...]
    class_places: dict[int, tuple[str, int]]
    problems: list[Problem] = field(default_factory=list)
    late_problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    late_notes: list[str] = field(default_factory=list)


def build(data_dir: str, listings: tuple[Listing, Listing], missing_labels: str, check: ImageCheck) -> Built:
    """Read a data folder.

    Args:
        data_dir: holds images/ and labels/.
        listings: of the two.
        missing_labels: error, normal or skip.
        check: of the images.
    """
    problems: list[Problem] = []
    notes: list[str] = []
    pairs = _pair(data_dir, listings, missing_labels, problems, notes)
    images, labels = _without_special(*pairs, *listings, problems)
    empty = _empty_files(listings[1])
    parts = _read(data_dir, images, [None if name in empty else name for name in labels], check)
    for part in parts:
        problems.extend(part.image_problems)
    for part in parts:
        problems.extend(part.label_problems)
    columns = _join(images, parts)
    late = _whole(data_dir, columns, len(images), problems)
    num_clipped, num_images = sum(part.num_clipped for part in parts), sum(part.num_clipped_images for part in parts)
    clipped = [f"{num_clipped} boxes in {num_images} images clipped to their image"] if num_clipped else []
    places = {num: (str(labels[at]), total) for num, (at, total) in _class_places(parts).items()}
    return Built(columns, tuple(sorted(places)), places, problems, late, notes, clipped)


def first_line(data_dir: str, label: str, class_num: int) -> str:
    """``labels/file:line`` of the first object of a class in a label file."""
    file = parse_label_file(f"{data_dir}/labels/{label}", where=f"labels/{label}")
    for num, line_num in zip(file.labels.class_nums.tolist(), file.line_nums, strict=True):
        if num == class_num:
            return f"labels/{label}:{line_num}"
    return f"labels/{label}"


def _pair(
    data_dir: str,
    listings: tuple[Listing, Listing],
    missing_labels: str,
    problems: list[Problem],
    notes: list[str],
) -> tuple[list[str], list[str | None]]:
    """Each image and its label file; the files that have no partner are reported."""
    image_names = _of_kind(listings[0].names, IMAGE_SUFFIXES, "images", notes)
    label_names = _of_kind(listings[1].names, (".txt",), "labels", notes)
    image_stems, label_stems = [[_stem(name) for name in names] for names in (image_names, label_names)]
    if image_stems == label_stems and _has_no_twins(image_stems):
        return image_names, [*label_names]
    label_by_stem = _by_stem(label_names, label_stems, problems)
    lost = lost_labels(f"{data_dir}/images", listings[0].names, label_by_stem)
    image_by_stem: dict[str, str] = {}
    pairs: list[tuple[str, str | None]] = []
    unlabelled: list[tuple[str, str]] = []
    num_missing = 0
    for image, stem in zip(image_names, image_stems, strict=True):
        twin = image_by_stem.setdefault(stem, image)
        label = label_by_stem.get(stem)
        if twin is not image:
            got = f"images/{twin} too, which has the same label file"
            problems.append(Problem(f"images/{image}", "a name of its own", got))
        elif stem in lost:
            unlabelled.append((image, stem))
        elif label is not None or missing_labels == "normal":
            num_missing += label is None
            pairs.append((image, label))
        elif missing_labels == "skip":
            num_missing += 1
        else:
            unlabelled.append((image, stem))
    if num_missing:
        fate = "counted as normal" if missing_labels == "normal" else "left out"
        notes.append(f"{num_missing} images without a label file {fate}")
    problems += _without_partner(unlabelled, image_by_stem, label_by_stem, listings[0].names, lost)
    return [image for image, _ in pairs], [label for _, label in pairs]


def _by_stem(labels: list[str], stems: list[str], problems: list[Problem]) -> dict[str, str]:
    label_by_stem: dict[str, str] = {}
    for label, stem in zip(labels, stems, strict=True):
        if (twin := label_by_stem.setdefault(stem, label)) is not label:
            hint = "put all objects into one of them"
            problems.append(Problem(f"labels/{label}", "one label file for an image", f"labels/{twin} too", hint))
    return label_by_stem


def _without_partner(
    unlabelled: list[tuple[str, str]],
    image_by_stem: dict[str, str],
    label_by_stem: dict[str, str],
    names: list[str],
    lost: dict[str, str],
) -> list[Problem]:
    """Images (name and stem) without a label file, then label files without an image."""
    lone_labels = [stem for stem in label_by_stem if stem not in image_by_stem]
    labels_by_spelling = by_spelling(lone_labels)
    images_by_spelling = by_spelling(image_by_stem) if lone_labels else {}
    others = other_kinds(names) if lone_labels else {}
    problems = []
    for image, stem in unlabelled:
        hint = hint_of_lost_label(stem, lost) or hint_of_missing_label(image, labels_by_spelling, EMPTY_FILE)
        problems.append(Problem(f"images/{image}", f"labels/{stem}.txt", "nothing", hint))
    for stem in lone_labels:
        hint = hint_of_missing_image(stem, images_by_spelling, others)
        problems.append(Problem(f"labels/{label_by_stem[stem]}", f"an image images/{stem}.*", "nothing", hint))
    return problems


def _without_special(
    images: list[str],
    labels: list[str | None],
    image_listing: Listing,
    label_listing: Listing,
    problems: list[Problem],
) -> tuple[list[str], list[str | None]]:
    """The pairs of regular files, which alone may be opened; of the others a problem each."""
    if not (image_listing.special or label_listing.special):
        return images, labels
    kept: list[tuple[str, str | None]] = []
    for image, label in zip(images, labels, strict=True):
        image_is, label_is = image_listing.special.get(image), label_listing.special.get(label or "")
        if image_is:
            problems.append(Problem(f"images/{image}", "a readable image", image_is))
        if label_is:
            problems.append(Problem(f"labels/{label}", "a readable label file", label_is))
        if not (image_is or label_is):
            kept.append((image, label))
    return [image for image, _ in kept], [label for _, label in kept]


def _stem(name: str) -> str:
    """Of a name with a suffix: hidden files, whose only dot is the first, are not listed."""
    return name[: name.rindex(".")]


def _of_kind(names: list[str], suffixes: Sequence[str], folder: str, notes: list[str]) -> list[str]:
    wanted = [name for name in names if name[name.rfind(".") :].lower() in suffixes]
    if len(wanted) < len(names):
        first = next(name for name in names if name[name.rfind(".") :].lower() not in suffixes)
        notes.append(f"{len(names) - len(wanted)} other files in {folder}/ ignored, the first is {first}")
    return wanted


def _has_no_twins(stems: list[str]) -> bool:
    return len(set(stems)) == len(stems)


def _empty_files(labels: Listing) -> set[str | None]:
    """Files of no bytes (a dangling link has no time either), and the missing ones: nothing to be read."""
    is_empty = (labels.stamps[:, 0] == 0) & (labels.stamps[:, 1] != 0)
    return {None, *(labels.names[at] for at in np.flatnonzero(is_empty).tolist())}


def _read(data_dir: str, images: list[str], labels: list[str | None], check: ImageCheck) -> list[Part]:
    """All parts in the order of the images; places of classes count from the first image of all."""
    # Decoding takes all cores in one process already.
    shares = share_out(len(images), _MIN_SHARE, 1 if check.decode else num_cores())
    jobs = [(read_pairs, (data_dir, images[start:stop], labels[start:stop], check)) for start, stop in shares]
    return [part for parts in in_parallel(jobs) for part in parts]


def _join(images: list[str], parts: list[Part]) -> Columns:
    is_good = np.concatenate([np.zeros(0, bool), *(part.is_good for part in parts)])
    names, name_starts = join_names(images if is_good.all() else [images[at] for at in np.flatnonzero(is_good)])
    counts = np.concatenate([np.zeros(0, np.int64), *(part.counts for part in parts)])
    return Columns(
        names,
        name_starts,
        np.concatenate([np.zeros((0, 2), np.int32), *(part.sizes_hw for part in parts)]),
        np.concatenate([np.zeros(0, np.uint8), *(part.bit_depths for part in parts)]),
        np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
        np.concatenate([np.zeros((0, 4), np.float32), *(part.bboxes_xyxy for part in parts)]),
        np.concatenate([np.zeros(0, np.int64), *(part.class_nums for part in parts)]),
    )


def _class_places(parts: list[Part]) -> dict[int, tuple[int, int]]:
    """Class number to the first image with it and to the number of its objects."""
    places: dict[int, tuple[int, int]] = {}
    start = 0
    for part in parts:
        for num, (at, total) in part.class_places.items():
            first, before = places.get(num, (start + at, 0))
            places[num] = first, before + total
        start += len(part.is_good)
    return places


def _whole(data_dir: str, columns: Columns, num_pairs: int, problems: list[Problem]) -> list[Problem]:
    """What no single file shows: no image at all, and boxes that are not in pixels."""
    if not num_pairs:
        suffixes = " ".join(suffix[1:] for suffix in IMAGE_SUFFIXES)
        return [] if problems else [Problem("images/", f"at least one image ({suffixes})", "none")]
    if not len(columns.bboxes_xyxy):
        return []  # of normal images alone the normal-only score is learned
    largest = float(columns.bboxes_xyxy.max())
    if largest > 2:
        return []
    paths = shlex.quote(data_dir), shlex.quote(f"{data_dir.rstrip('/')}_anomdet")
    hint = f"YOLO's fractions of the image? anomdet convert {paths[0]} --from yolo --to anomdet --out {paths[1]}"
    return [Problem("labels/", "boxes in pixels", f"no coordinate above {largest:g}", hint)]

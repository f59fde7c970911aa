"""Label files that lie beside the images, where labelling tools save them and no run looks."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from anomdet.data.labels import INTEGER, NUMBER
from anomdet.strict_files import MAX_LABEL_BYTES, read_regular

_OBJECT = re.compile(rf"^\s*{INTEGER}(?:\s+{NUMBER}){{4}}".encode(), re.MULTILINE)  # more numbers: a polygon, a score


def lost_labels(images_dir: str, names: Iterable[str], labelled: Collection[str]) -> dict[str, str]:
    """Text files with objects in images/, by the stem of the image that has no label file: stem to name.

    Args:
        images_dir: the folder images/.
        names: of all files in it.
        labelled: stems with a label file in labels/.
    """
    texts = {name[:-4]: name for name in names if name.lower().endswith(".txt")}
    return {stem: name for stem, name in texts.items() if stem not in labelled and _has_objects(f"{images_dir}/{name}")}


def _has_objects(path: str) -> bool:
    try:
        return _OBJECT.search(read_regular(path, MAX_LABEL_BYTES)) is not None
    except OSError:
        return False


def hint_of_lost_label(stem: str, lost: dict[str, str]) -> str:
    """What to do with the label file of an image that lies beside it; empty if there is none.

    >>> hint_of_lost_label("a", {"a": "a.txt"})
    'images/a.txt beside it has objects: move it to labels/a.txt'
    """
    return f"images/{lost[stem]} beside it has objects: move it to labels/{stem}.txt" if stem in lost else ""

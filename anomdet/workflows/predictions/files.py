"""What predict writes for each image: labels, crops, drawings. Each file appears whole or not at all."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anomdet.boxes import with_sides
from anomdet.data.labels import Labels, write_labels
from anomdet.inference.pixels import to_look_at
from anomdet.inference.result import REJECT, Result
from anomdet.inference.stream import Judged
from anomdet.layout import CROPS_DIR, LABELS_DIR, PICTURES_DIR
from anomdet.outputs import fitting_stem

PER_IMAGE = ("labels", "crops", "pictures")
NEED_PIXELS = frozenset({"crops", "pictures"})
_CROP_ROOM = 40  # bytes of what stands behind an image's name in a crop's: numbers of the box and of its class
_log = logging.getLogger("anomdet")


class ImageFiles:
    """Writes into a folder what ``save`` names.

    Args:
        folder: of the outputs.
        save: of :data:`PER_IMAGE`.
        classes: number to name of all, in the detector's order, so that all images agree on the colours.
        done: keys of images that have their files already; None: no two images differ by their suffix only.
    """

    def __init__(
        self, folder: Path, save: Sequence[str], classes: Mapping[int, str], done: Iterable[str] | None = None
    ) -> None:
        self._folder, self._classes = folder, dict(classes)
        self._owners = None if done is None else {hash(output_stem(key)): hash(key) for key in done}
        self._has_said = False
        self._writers = [writer for name, writer in self._known().items() if name in save]

    def _known(self) -> dict[str, Any]:
        return {"labels": self._labels, "crops": self._crops, "pictures": self._picture}

    def write(self, judged: Judged) -> None:
        """The files of one image; none for one that failed, which would be taken for a normal one."""
        if not isinstance(judged.outcome, Result):
            return
        shown, stem = judged.outcome.above_threshold(), self._stem(judged.item.key)
        for write in self._writers:
            write(shown, stem, judged)

    def remove(self, key: str) -> None:
        """Those of an image that another one of its name has taken the place of."""
        if not self._writers:
            return
        stem = self._stem(key)
        for crop in self._crops_of(self._fitting(stem, _CROP_ROOM)):
            crop.unlink(missing_ok=True)
        stem = self._fitting(stem, len(".txt"))
        for path in (self._folder / LABELS_DIR / f"{stem}.txt", self._folder / PICTURES_DIR / f"{stem}.jpg"):
            path.unlink(missing_ok=True)

    def _crops_of(self, stem: str) -> Iterator[Path]:
        """Tried by their names: the folder may hold the crops of 100,000 images."""
        for at in itertools.count():
            names = (_crop_name(stem, at, num) for num in self._classes)
            there = [path for name in names if (path := self._folder / CROPS_DIR / name).is_file()]
            if not there:
                return
            yield from there

    def _stem(self, key: str) -> str:
        """What the files of an image are called: no other image's are overwritten."""
        stem = output_stem(key)
        if self._owners is None or stem == key or self._owners.setdefault(hash(stem), hash(key)) == hash(key):
            return stem
        _log.warning(f"another image is called {stem} too: the files of {key} are called after its whole name")
        return key

    def _fitting(self, stem: str, room: int) -> str:
        """The stem, shorter where the names of the files would be too long for a disk."""
        fits = fitting_stem(stem, room)
        if fits != stem and not self._has_said:
            self._has_said = True
            _log.warning(f"{stem}: too long a name; its files are called {fits}, and further ones are not reported")
        return fits

    def _labels(self, shown: Result, stem: str, _judged: Judged) -> None:
        if not len(shown) and shown.verdict == REJECT:
            return  # an empty file would say that this part, which is rejected as unknown, is a normal one
        path = self._below(LABELS_DIR, f"{self._fitting(stem, len('.txt'))}.txt")
        write_labels(path, Labels(with_sides(shown.bboxes_xyxy, *shown.size_hw), shown.class_nums))

    def _crops(self, shown: Result, stem: str, judged: Judged) -> None:
        from anomdet.visualization.write import write_image

        if not len(shown):
            return
        image = to_look_at(judged.pixels, judged.item.channels)
        stem = self._fitting(stem, _CROP_ROOM)
        for at, (crop, class_num) in enumerate(zip(shown.crop(image), shown.class_nums.tolist(), strict=True)):
            write_image(self._below(CROPS_DIR, _crop_name(stem, at, class_num)), np.ascontiguousarray(crop))

    def _picture(self, shown: Result, stem: str, judged: Judged) -> None:
        from anomdet.visualization.verdict import with_verdict
        from anomdet.visualization.write import write_image

        image = to_look_at(judged.pixels, judged.item.channels)
        drawn = shown.draw(image, channels="bgr", classes=tuple(self._classes.values()))
        text, name = f"{shown.verdict} {shown.part_score:.2f}", f"{self._fitting(stem, len('.jpg'))}.jpg"
        write_image(self._below(PICTURES_DIR, name), with_verdict(drawn, text, shown.verdict))

    def _below(self, kind: str, name: str) -> Path:
        path = self._folder / kind / name
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
        return path


def _crop_name(stem: str, at: int, class_num: int) -> str:
    return f"{stem}_{at:02d}_class{class_num}.png"


def output_stem(key: str) -> str:
    """What the files of an image are called: its key without the suffix."""
    return os.path.splitext(key)[0]  # noqa: PTH122 (a Path is twenty times slower)

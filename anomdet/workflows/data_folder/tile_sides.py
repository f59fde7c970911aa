"""What lies beside the data and comes along when it is cut into tiles: class names, lists of splits, hard normals."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anomdet.errors import Problem, UserError
from anomdet.layout import CLASSES_FILE, HARD_NORMALS, SPLITS_DIR

if TYPE_CHECKING:
    from anomdet.data.index.scan import DataIndex

_log = logging.getLogger("anomdet")


@dataclass(frozen=True)
class SideFiles:
    """Of a data folder.

    Args:
        index: of the data.
        lists: file, as ``splits/train.txt``, to the images that it names.
        class_names: of the classes that have one.
        copied: whether these stand in ``classes.yaml``, which is copied as it is.
    """

    index: DataIndex
    lists: Mapping[str, Sequence[str]]
    class_names: Mapping[int, str]
    copied: bool

    @classmethod
    def of(cls, index: DataIndex) -> SideFiles:
        """Read before any tile is cut.

        Raises:
            UserError: everything that is wrong with the lists; without them the tiles would be split anew.
        """
        from anomdet.data.sampling.hard_normals import read_hard_normals
        from anomdet.data.splits.lists import listed_images
        from anomdet.workflows.data_folder.beside_data import split_lists

        names = index.columns.file_names()
        position_of = {name: at for at, name in enumerate(names)}
        problems: list[Problem] = []
        first_seen: dict[int, str] = {}
        lists: dict[str, Sequence[str]] = {}
        for split, path in split_lists(index.data_dir).items():
            found = listed_images(path, position_of, first_seen, problems)
            lists[f"{SPLITS_DIR}/{split}.txt"] = [names[at] for at in sorted(found or ())]
        if problems:
            raise UserError(problems, title=f"The lists in {SPLITS_DIR}/ do not fit the data:")
        hard = Path(index.data_dir) / HARD_NORMALS
        if hard.is_file():
            lists[HARD_NORMALS] = [names[at] for at in read_hard_normals(index, hard).tolist()]
        return cls(index, lists, *_class_names(index))

    def write(self, out: Path, tiles_of: Mapping[str, Sequence[str]]) -> list[str]:
        """Write them for tiles; returns the names of the files.

        Args:
            out: the folder of the tiles.
            tiles_of: image to its tiles; an image that has none is in no list.
        """
        written = self._write_class_names(out)
        for name, images in self.lists.items():
            tiles = [tile for image in images for tile in tiles_of.get(image, ())]
            if tiles:
                (out / name).parent.mkdir(exist_ok=True)
                (out / name).write_text(
                    "".join(f"{tile}\n" for tile in tiles), encoding="utf-8", errors="surrogateescape"
                )
                written.append(name)
        return written

    def _write_class_names(self, out: Path) -> list[str]:
        from anomdet.formats.side_files import classes_yaml
        from anomdet.strict_files import MAX_YAML_BYTES, read_regular

        if self.copied:
            (out / CLASSES_FILE).write_bytes(read_regular(Path(self.index.data_dir) / CLASSES_FILE, MAX_YAML_BYTES))
        elif self.class_names:
            (out / CLASSES_FILE).write_text(classes_yaml(dict(self.class_names)), encoding="utf-8")
        return [CLASSES_FILE] if self.copied or self.class_names else []


def _class_names(index: DataIndex) -> tuple[dict[int, str], bool]:
    """Of ``classes.yaml``, or of another file there, as ``classes.txt``; and whether it was the former."""
    from anomdet.formats.names_beside import names_beside
    from anomdet.formats.side_files import classes_beside

    source = Path(index.data_dir)
    if (source / CLASSES_FILE).is_file():
        with contextlib.suppress(UserError):  # copied as it is; whoever reads it says what is wrong
            return classes_beside(source) or {}, True
        return {}, True
    found = names_beside(source, index.class_nums)
    for note in found.notes:
        _log.info(f"classes: {note}")
    return dict(found.names) if found.source else {}, False

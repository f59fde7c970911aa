"""``anomdet browse --page``: all images of a data folder in one local page. Imports no torch."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.errors import Problem, UserError
from anomdet.layout import IMAGES_DIR

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from anomdet.config.schema import Settings
    from anomdet.quality.browse.columns import Columns
    from anomdet.quality.browse.thumbnails import Pictures
    from anomdet.report.browse import BrowsePage

_log = logging.getLogger("anomdet")
FOLDER = "browse_page"
_TELL_SECONDS, _STATE_SECONDS = 5.0, 2.0


@dataclass(frozen=True)
class Source:
    """What is browsed.

    Args:
        data_dir: holds images/ and labels/.
        settings: None: there is only the folder.
        log_dir: of the settings, or their default.
    """

    data_dir: Path
    settings: Settings | None
    log_dir: Path


def browse_page(
    config: Path | None,
    overrides: Sequence[str] = (),
    *,
    data: Path | None = None,
    out: Path | None = None,
    limit: int | None = None,
) -> list[Path]:
    """Write the page, say where it is, then make its thumbnails.

    Args:
        config: YAML settings; None: ``data`` alone, without splits and class names.
        overrides: ``key=value`` each.
        data: the folder, in place of the settings' one.
        out: a new or empty folder, or one of an earlier page; None: ``log_dir/browse_page``.
        limit: thumbnails to make at most; None: all.

    Returns:
        The page.

    Raises:
        UserError: neither settings nor a folder, or what is wrong with them or with ``out``.
    """
    if limit is not None and limit < 0:
        raise UserError(Problem("--limit", "an integer >= 0", str(limit)))
    source = _source(config, overrides, data)
    folder = out or source.log_dir / FOLDER
    from anomdet.output_rule import check_apart, data_folders
    from anomdet.outputs import make_folder
    from anomdet.quality.browse.thumbnails import plan_pictures
    from anomdet.report.browse_folder import check_folder

    check_apart(folder, [source.data_dir, *data_folders(source.data_dir)], "--out")
    check_folder(folder)
    columns, notes = _columns(source)
    check_apart(folder, data_folders(source.data_dir, columns.names), "--out")
    make_folder(folder, "--out")
    pictures = plan_pictures(columns.files, columns.bit_depth)
    page = _write(folder, source, columns, pictures, notes)
    boxes, found = len(columns.labels), sum(map(len, columns.findings.values())) + len(columns.general)
    told = f"{found:,} finding{'' if found == 1 else 's'}"
    _log.info(f"{len(columns):,} images, {boxes:,} boxes, {told}; page of {page.num_bytes / 1e6:.1f} MB")
    for note in notes:
        _log.info(f"note: {note}")
    _make_thumbnails(source.data_dir / IMAGES_DIR, page, columns, pictures, limit)
    return [page.path]


def _source(config: Path | None, overrides: Sequence[str], data: Path | None) -> Source:
    from anomdet.config.schema import Settings

    if config is None:
        if data is None:
            raise UserError(Problem("--data", "a data folder, or --config", "nothing", "see: anomdet browse --help"))
        if overrides:
            raise UserError(Problem("command line", "settings with --config only", repr(overrides[0])))
        return Source(data, None, Path(Settings().logging.log_dir))
    from anomdet.config.load import load_settings

    settings = load_settings(config, overrides)
    return Source(data or Path(settings.data.data_dir), settings, Path(settings.logging.log_dir))


def _columns(source: Source) -> tuple[Columns, list[str]]:
    """All images, and what a reader of the page should know."""
    from anomdet.config.translate_data import size_hw
    from anomdet.quality.browse.columns import make_columns
    from anomdet.quality.check.check import Rules, check_data
    from anomdet.quality.check.readings import AS_EXPECTED
    from anomdet.workflows.data_folder.planned_splits import planned_splits, rules_of

    if source.settings is None:
        checked = check_data(source.data_dir, Rules())
        columns = make_columns(checked)
        notes = ["without --config there are no splits and class names, and box sizes are in pixels of the image"]
    else:
        data = source.settings.data
        checked = check_data(source.data_dir, rules_of(data))
        split_of, note = planned_splits(data, source.data_dir)
        notes = [note] if note else []
        columns = make_columns(checked, classes=data.classes, split_of=split_of, train_hw=size_hw(data.image_size))
    read = checked.convention
    if read.reading != AS_EXPECTED or read.scaled.any():
        shares = ", in shares of the image" if read.scaled.any() else ""
        notes.append(f"boxes are drawn as {read.reading}{shares}, as `anomdet check` reads them; training does not")
    return columns, notes


def _write(folder: Path, source: Source, columns: Columns, pictures: Pictures, notes: list[str]) -> BrowsePage:
    from anomdet.config.translate_data import size_hw
    from anomdet.quality.browse.compact import num_parts, to_index, to_part
    from anomdet.report.browse import write_page

    index: dict[str, Any] = to_index(columns)
    for one, (color, ink) in zip(index["classes"], class_inks(columns.class_names), strict=True):
        one |= {"color": color, "ink": ink}
    train_hw = size_hw(source.settings.data.image_size) if source.settings else None
    index |= {
        "title": source.data_dir.resolve().name or "data",
        "images_url": images_url(source.data_dir / IMAGES_DIR, folder),
        "notes": notes,
        "train_hw": train_hw,
    }
    return write_page(folder, index, (to_part(columns, pictures, number) for number in range(num_parts(columns))))


def class_inks(names: Sequence[str]) -> list[tuple[str, str]]:
    """Of each class and of a text on it, as #rrggbb."""
    from anomdet.visualization.color import ink, palette

    return [(_hex(color), _hex(ink(color))) for color in palette(len(names))]


def _hex(bgr: Sequence[int]) -> str:
    return f"#{bytes(reversed(bgr)).hex()}"


def images_url(images_dir: Path, folder: Path) -> str:
    """From the page to the images: relative, so that both can move together; absolute across drives."""
    from urllib.parse import quote

    try:
        path = os.path.relpath(images_dir.resolve(), folder.resolve()).replace(os.sep, "/")
    except ValueError:
        return f"{images_dir.resolve().as_uri()}/"
    return f"{quote(os.fsencode(path))}/"


def _make_thumbnails(
    images_dir: Path, page: BrowsePage, columns: Columns, pictures: Pictures, limit: int | None
) -> None:
    """Those that are missing; the page, open or not, shows them as they come."""
    import numpy as np

    from anomdet.quality.browse.thumbnails import list_made, make_pictures, remove_unused
    from anomdet.report.browse_folder import THUMBS

    folder = page.path.parent / THUMBS
    made = list_made(folder)
    wanted = [
        at
        for at, names in enumerate(zip(pictures.thumbs, pictures.previews, strict=True))
        if any(name and name not in made for name in names)
    ]
    remove_unused(folder, made, pictures.names)
    there = np.array([bool(name) for name in pictures.thumbs], dtype=np.bool_)
    kept = int(there.sum()) - len(wanted)
    there[wanted] = False
    todo = wanted[:limit]
    none = len(there) - len(wanted) - kept
    own = f"; {none:,} images need none" if none else ""
    _log.info(f"open {page.path} now; {len(todo):,} thumbnails to make, {kept:,} kept{own}")
    state = _State(page, there, {})
    state.write(done=not todo)
    try:
        state.follow(make_pictures(images_dir, folder, columns.files, pictures, todo), len(todo))
    finally:  # interrupted or not, nothing more comes
        state.write(done=True)
    if state.failed:
        _log.info(f"{len(state.failed):,} images cannot be shown; `anomdet check --decode` says why")


@dataclass
class _State:
    """Which images have their thumbnails, for the page and for the screen."""

    page: BrowsePage
    there: NDArray[np.bool_]
    failed: dict[int, str]

    def write(self, *, done: bool) -> None:
        from anomdet.report.browse import write_thumbs_state

        write_thumbs_state(self.page, self.there, self.failed, done=done)

    def follow(self, results: Iterable[tuple[int, str]], total: int) -> None:
        """Count what comes; report it now and then."""
        started = told = stated = time.monotonic()
        for count, (at, reason) in enumerate(results, start=1):
            self.there[at] = not reason
            if reason:
                self.failed[at] = reason
            now = time.monotonic()
            if now - told >= _TELL_SECONDS:
                told = now
                _log.info(f"  {count:,} of {total:,}, {count / (now - started):.0f} a second")
            if now - stated >= _STATE_SECONDS:
                stated = now
                self.write(done=False)

"""``anomdet convert``: labels of one format to another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anomdet.formats.convert import Converted


def convert(  # noqa: PLR0913 (the options of the command)
    source: str | Path,
    out: str | Path,
    *,
    from_format: str | None = None,
    to_format: str = "anomdet",
    images: str | Path | None = None,
    classes: str | Path | None = None,
    with_images: bool = True,
    unlabelled: str | None = None,
    follow_links: bool = False,
) -> Converted:
    """Convert labels; the source is not changed, and all that the other format cannot hold is reported.

    Args:
        source: a file, a folder or a zip archive of labels.
        out: a new or empty folder.
        from_format: ``coco``, ``yolo``, ``voc``, ``labelme``, ``cvat``, ``labelstudio``, ``csv``, ``masks``,
            ``deeppcb`` or ``anomdet``; None: recognised by the files.
        to_format: one of those that can be written.
        images: folder of the images; None: where the format has them.
        classes: a YAML file with ``data.classes``; None: what the source says.
        with_images: also hard-link or copy the images.
        unlabelled: images without labels are ``normal``, left out (``skip``) or an ``error``; None: as the format
            has it.
        follow_links: copy images that lie outside the source too, where a link or a path of the labels leads there.

    Raises:
        UserError: everything that is wrong with the source, at once; nothing was written.

    >>> anomdet.convert("coco.json", "data", images="pictures").num_normal  # doctest: +SKIP
    """
    from anomdet.formats.convert import Job
    from anomdet.formats.convert import convert as run

    return run(
        Job(
            Path(source),
            from_format,
            to_format,
            Path(out),
            None if images is None else Path(images),
            None if classes is None else Path(classes),
            with_images,
            unlabelled,
            follow_links,
        )
    )

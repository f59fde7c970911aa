"""The formats by name."""

from __future__ import annotations

from dataclasses import dataclass

from anomdet.formats import anomdet_text, coco, csv_table, cvat, deeppcb, labelme, labelstudio, masks, voc, yolo
from anomdet.formats.dataset import Reader, Writer


@dataclass(frozen=True)
class Format:
    """One format.

    Args:
        read: a source to images.
        write: images into a folder; None: it is only read.
        images_dir: where the images lie in the folder that it writes.
        by_stem: a label file has its image's name without the suffix, so that no two images may share that.
        images_apart: ``--images`` may say where the images are.
    """

    read: Reader
    write: Writer | None = None
    images_dir: str = "images"
    by_stem: bool = False
    images_apart: bool = False


FORMATS = {
    "anomdet": Format(anomdet_text.read, anomdet_text.write, by_stem=True),
    "coco": Format(coco.read, coco.write, images_apart=True),
    "csv": Format(csv_table.read, images_apart=True),
    "cvat": Format(cvat.read, cvat.write, images_apart=True),
    "deeppcb": Format(deeppcb.read),
    "labelme": Format(labelme.read, labelme.write, images_dir="", by_stem=True, images_apart=True),
    "labelstudio": Format(labelstudio.read, labelstudio.write, images_apart=True),
    "masks": Format(masks.read),
    "voc": Format(voc.read, voc.write, images_dir="JPEGImages", by_stem=True, images_apart=True),
    "yolo": Format(yolo.read, yolo.write, by_stem=True),
}

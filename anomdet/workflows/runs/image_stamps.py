"""Whether the images of a COCO file are those that they were."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path


def stamps_of(ann_file: Path, images: Path) -> str:
    """SHA-256 (hex) over the names of a COCO file's images and their sizes and times, none for one that is not there.

    Args:
        ann_file: of COCO; what is no list of images has no stamps.
        images: the folder that the names start from.
    """
    try:
        content = json.loads(ann_file.read_text(encoding="utf-8-sig"))
        names = sorted(str(image["file_name"]) for image in content["images"])
    except (ValueError, KeyError, TypeError):
        return ""  # its reader says what is wrong
    digest = hashlib.sha256()
    for name in names:
        try:
            status = os.stat(images / name)  # noqa: PTH116 (a hundred thousand of them)
            stamp = f"{status.st_size} {status.st_mtime_ns}"
        except (OSError, ValueError):
            stamp = "none"
        digest.update(f"{name}\0{stamp}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()

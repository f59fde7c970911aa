"""Faults of many kinds, put into a copy of a data set; each in a file of its own."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

COUNTS = {
    "label-not-a-number": 4,
    "label-field-count": 4,
    "label-size-not-positive": 4,
    "label-separator": 3,
    "label-encoding": 3,
    "box-outside": 4,
    "box-reaches-out": 4,
    "box-exact-duplicate": 3,
    "box-near-duplicate": 3,
    "box-two-classes": 2,
    "box-tiny": 2,
    "box-whole-image": 2,
    "class-once": 1,
    "image-without-label": 3,
    "label-without-image": 2,
    "image-truncated": 2,
    "image-empty": 2,
    "image-twins": 1,
    "images-mixed-depth": 1,
}


def plant(source: Path, target: Path, seed: int) -> list[tuple[str, str, int]]:
    """Copy ``source`` (labels; images as links) and spoil the copy.

    Returns:
        Code, file and line (0: the file as a whole) of each fault.
    """
    rng = random.Random(seed)
    for folder in ("images", "labels"):
        (target / folder).mkdir(parents=True)
    for image in sorted((source / "images").iterdir()):
        (target / "images" / image.name).symlink_to(image.resolve())
    with_objects = []
    for label in sorted((source / "labels").iterdir()):
        data = label.read_bytes()
        (target / "labels" / label.name).write_bytes(data)
        if data.count(b"\n") >= 1:
            with_objects.append(label.stem)
    stems = iter(rng.sample(with_objects, sum(COUNTS.values())))
    return [_spoil(target, next(stems), code, rng) for code, count in COUNTS.items() for _ in range(count)]


def _spoil(folder: Path, stem: str, code: str, rng: random.Random) -> tuple[str, str, int]:
    label = folder / "labels" / f"{stem}.txt"
    image = next((folder / "images").glob(f"{stem}.*"))
    if code.startswith("image"):
        return code, *_spoil_image(code, image, label)
    if code == "label-without-image":
        image.unlink()
        return code, f"labels/{label.name}", 0
    lines = label.read_text().splitlines()
    at = rng.randrange(len(lines))
    if code == "label-encoding":
        label.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-16"))
        return code, f"labels/{label.name}", 1
    height, width = cv2.imread(str(image)).shape[:2]
    changed = _LINES[code](lines[at].split(), width, height, rng)
    if "duplicate" in code or "classes" in code:
        lines.insert(at + 1, changed)
        at += 1
    else:
        lines[at] = changed
    label.write_text("\n".join(lines) + "\n")
    return code, f"labels/{label.name}", at + 1


def _spoil_image(code: str, image: Path, label: Path) -> tuple[str, int]:
    data, pixels = image.read_bytes(), cv2.imread(str(image))
    name = f"images/{image.name}"
    if code == "image-without-label":
        label.unlink()
        return name, 0
    if code == "image-twins":
        assert cv2.imwrite(str(image.with_suffix(".png")), pixels)
        return f"images/{image.with_suffix('.png').name}", 0
    image.unlink()
    if code == "images-mixed-depth":
        image = image.with_suffix(".png")
        assert cv2.imwrite(str(image), pixels.astype(np.uint16) * 257)
        return f"images/{image.name}", 0
    image.write_bytes(data[: len(data) // 2] if code == "image-truncated" else b"")
    return name, 0


def _shift(fields: list[str], by: float) -> str:
    num, x, y, width, height = fields
    return f"{num} {x} {y} {float(width) + by:g} {height}"


_LINES: dict[str, Callable[[list[str], int, int, random.Random], str]] = {
    "label-not-a-number": lambda f, _w, _h, rng: " ".join([*f[:3], rng.choice(("abc", "12px", "--", "1_0")), f[4]]),
    "label-field-count": lambda f, _w, _h, rng: " ".join(rng.choice((f[:4], [*f, "0.9"]))),
    "label-size-not-positive": lambda f, _w, _h, rng: " ".join([*f[:3], rng.choice(("0", f"-{f[3]}")), f[4]]),
    "label-separator": lambda f, _w, _h, rng: rng.choice((",", "; ")).join(f),
    "box-outside": lambda f, w, _h, rng: " ".join([f[0], str(w + rng.randrange(50)), *f[2:]]),
    "box-reaches-out": lambda f, w, _h, rng: " ".join([f[0], str(w - 10), f[2], str(rng.randrange(13, 40)), f[4]]),
    "box-exact-duplicate": lambda f, *_: " ".join(f),
    "box-near-duplicate": lambda f, *_: _shift(f, 1),
    "box-two-classes": lambda f, *_: " ".join([str(int(f[0]) % 3 + 1), *f[1:]]),
    "box-tiny": lambda f, *_: " ".join([*f[:3], "1.5", f[4]]),
    "box-whole-image": lambda f, w, h, _rng: f"{f[0]} 0 0 {w} {h}",
    "class-once": lambda f, *_: " ".join(["77", *f[1:]]),
}

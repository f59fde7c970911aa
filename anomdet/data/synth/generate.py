"""The demo data set: images of parts with scratches, dents, stains and holes, in the user's own format."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anomdet.data.synth.defects import DRAW
from anomdet.data.synth.parts import Part, draw_part
from anomdet.errors import Problem, UserError
from anomdet.layout import IMAGES_DIR, LABELS_DIR

CLASSES = {1: "scratch", 2: "dent", 3: "stain", 4: "hole"}
RARE_CLASS = 4
RARE_SHARE = 0.06
MAX_DEFECTS = 3
PLACEMENT_TRIES = 25
MIN_IMAGES = 12
MIN_SIDE_PX = 96


@dataclass(frozen=True)
class Summary:
    """What was drawn; ``objects`` and ``images`` count each class number's boxes and the images that hold it."""

    data_dir: Path
    num_images: int
    num_normal: int
    objects: dict[int, int]
    images: dict[int, int]


def generate(
    out_dir: str | Path,
    *,
    num_images: int = 400,
    normal_share: float = 1 / 3,
    size_hw: tuple[int, int] = (320, 320),
    seed: int = 0,
) -> Summary:
    """Draws ``images/*.jpg`` and ``labels/*.txt`` into ``out_dir``, which must be empty or not there.

    The same seed gives the same bytes with the same versions of numpy and OpenCV. The data set appears whole or not
    at all.

    Raises:
        UserError: an argument is out of range, or ``out_dir`` holds something.
    """
    out_dir = Path(out_dir)
    _check(out_dir, num_images, normal_share, size_hw)
    partial = out_dir.parent / f".{out_dir.name}.partial-{os.getpid()}"
    (partial / IMAGES_DIR).mkdir(parents=True)
    (partial / LABELS_DIR).mkdir()
    try:
        plan = plan_classes(num_images=num_images, normal_share=normal_share, seed=seed)
        drawn = [_write_one(partial, index, wanted, size_hw, seed) for index, wanted in enumerate(plan)]
        if out_dir.exists():
            out_dir.rmdir()
        partial.replace(out_dir)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Summary(
        data_dir=out_dir,
        num_images=num_images,
        num_normal=sum(not nums for nums in drawn),
        objects={num: sum(nums.count(num) for nums in drawn) for num in CLASSES},
        images={num: sum(num in nums for nums in drawn) for num in CLASSES},
    )


def plan_classes(*, num_images: int, normal_share: float, seed: int) -> list[list[int]]:
    """The class numbers to draw on each image, empty for a normal part, in a random order of images."""
    rng = np.random.Generator(np.random.PCG64(seed))
    num_defective = num_images - round(num_images * normal_share)
    num_rare = min(max(round(num_images * RARE_SHARE), 3), num_defective)
    common = [num for num in CLASSES if num != RARE_CLASS]
    plan: list[list[int]] = []
    for i in range(num_defective):
        extra = rng.choice(common, size=int(rng.choice(MAX_DEFECTS, p=[0.4, 0.4, 0.2])))
        first = RARE_CLASS if i < num_rare else common[i % len(common)]
        plan.append([first, *(int(num) for num in extra)])
    plan += [[] for _ in range(num_images - num_defective)]
    return [plan[i] for i in rng.permutation(num_images)]


def draw_image(
    class_nums: list[int], size_hw: tuple[int, int], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], list[tuple[int, NDArray[np.bool_]]]]:
    """One image, uint8 BGR ``(H, W, 3)``, and for each defect its class number and visible mask ``(H, W)``.

    A defect that finds no free place is left out, unless it is the first.
    """
    unit = min(size_hw) / 320
    while True:
        part, masks = draw_part(rng, size_hw), []
        for num in class_nums:
            mask = _place(part, num, unit, rng)
            if mask is not None:
                masks.append((num, mask))
        if not class_nums or (masks and masks[0][0] == class_nums[0]):
            return _photograph(part, rng), masks


def _place(part: Part, num: int, unit: float, rng: np.random.Generator) -> NDArray[np.bool_] | None:
    """Puts a defect of class ``num`` on a free place of the part, at random; its mask, or None if nothing was free."""
    height_px, width_px = part.free.shape
    for _ in range(PLACEMENT_TRIES):
        defect = DRAW[num](rng, unit)
        patch_h, patch_w = defect.visible.shape
        if patch_h >= height_px or patch_w >= width_px:
            continue
        top, left = int(rng.integers(height_px - patch_h)), int(rng.integers(width_px - patch_w))
        window = (slice(top, top + patch_h), slice(left, left + patch_w))
        if not part.free[window][defect.visible].all():
            continue
        part.albedo[:, window[0], window[1]] *= defect.gain
        part.height[window] += defect.height
        mask = np.zeros(part.free.shape, bool)
        mask[window] = defect.visible
        part.free[window] = False  # the whole patch, so that two defects never touch
        return mask
    return None


def _photograph(part: Part, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The part under its lamp: shading, a slight blur, sensor noise."""
    slope_x = cv2.Sobel(part.height, cv2.CV_32F, 1, 0, scale=1 / 8)
    slope_y = cv2.Sobel(part.height, cv2.CV_32F, 0, 1, scale=1 / 8)
    shade = np.clip(1 - 0.75 * (part.light_xy[0] * slope_x + part.light_xy[1] * slope_y), 0.35, 1.75)
    image = cv2.merge(list(part.albedo * (part.light * shade)))
    image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 0.7)))
    noise = cv2.merge([rng.standard_normal(shade.shape, dtype=np.float32)] * 3)
    # Rounds and saturates on the way to 8 bit.
    result: NDArray[np.uint8] = cv2.addWeighted(
        image, 255.0, noise, 255 * float(rng.uniform(0.006, 0.014)), 0.0, dtype=cv2.CV_8U
    )
    return result


def _write_one(data_dir: Path, index: int, class_nums: list[int], size_hw: tuple[int, int], seed: int) -> list[int]:
    """Draws and writes image ``index``; the class numbers that it shows."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, index))))
    image, masks = draw_image(class_nums, size_hw, rng)
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 93])
    assert done
    stem = f"part_{index:05d}"
    (data_dir / IMAGES_DIR / f"{stem}.jpg").write_bytes(data.tobytes())
    lines = []
    for num, mask in masks:
        x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
        lines.append(f"{num} {x} {y} {width} {height}\n")
    (data_dir / LABELS_DIR / f"{stem}.txt").write_text("".join(lines), encoding="utf-8")
    return [num for num, _ in masks]


def _check(out_dir: Path, num_images: int, normal_share: float, size_hw: tuple[int, int]) -> None:
    problems = []
    if num_images < MIN_IMAGES:
        problems.append(Problem("num_images", f"at least {MIN_IMAGES}", str(num_images)))
    if not 0 <= normal_share <= 0.9:
        problems.append(Problem("normal_share", "0 to 0.9", str(normal_share)))
    if min(size_hw) < MIN_SIDE_PX:
        problems.append(Problem("size_hw", f"at least {MIN_SIDE_PX} px a side", str(size_hw)))
    if out_dir.exists() and (not out_dir.is_dir() or any(out_dir.iterdir())):
        hint = "nothing was overwritten; name another folder or move this one away"
        problems.append(Problem(str(out_dir), "an empty or new folder", "one that holds something", hint))
    if problems:
        raise UserError(problems)

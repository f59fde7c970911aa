"""Are second pictures of a part found where all pictures look alike? Drawn parts before a fixed camera.

    OMP_NUM_THREADS=1 python benchmarks/look_alikes.py --parts 1000 --twice 50
    OMP_NUM_THREADS=1 python benchmarks/look_alikes.py --parts 1000 --deeppcb ../shared/data/deeppcb

Each part has a surface of its own, each picture a shift, gain, light, noise, defects and JPEG compression of its own.
The peer compares pictures as a whole, the nearest ones in detail, as for images that do not look alike; in the same
run, from files that were read before. A line: second pictures found of those there are, other pairs, seconds of CPU
for 1,000 images.

Descriptor and limits were chosen on parts like the first four; kinds, and the shrinkage for few images, after a look at
turned and milled parts, ten kinds and a part without a surface. Wood and cartons were drawn when all was fixed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anomdet.data.near_duplicates import audit as audit_module
from anomdet.data.near_duplicates.audit import Audit, audit_images
from anomdet.data.near_duplicates.hashes import Hashes
from anomdet.data.near_duplicates.kinds import MAX_DISTANCE, near_candidates
from anomdet.data.near_duplicates.pairs import NearPairs, near_pairs
from anomdet.data.synth import parts as synth_parts

Floats = NDArray[np.float32]
HEIGHT, WIDTH = 360, 480
Y, X = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)


def smooth(rng: np.random.Generator, sigma_px: float) -> Floats:
    noise = cv2.GaussianBlur(rng.normal(size=(HEIGHT, WIDTH)).astype(np.float32), (0, 0), sigma_px)
    return np.asarray(noise / noise.std(), np.float32)


def plate(rng: np.random.Generator, contrast: float = 4.0) -> Floats:
    part = np.where((abs(X - 240) < 170) & (abs(Y - 180) < 120), 150, 60) + contrast * smooth(rng, 3)
    part[np.hypot(X - 160, Y - 140) < 24] = 70
    part[np.hypot(X - 320, Y - 230) < 20] = 220
    return np.asarray(part, np.float32)


def flat(rng: np.random.Generator) -> Floats:
    return plate(rng, contrast=0.0)


def of_material(kind: int) -> Callable[[np.random.Generator], Floats]:
    """Outline, bores and rib are the kind's, the surface is the part's: iron, brushed metal, paint."""
    shape, size_hw = np.random.default_rng(kind), (HEIGHT, WIDTH)
    angle_deg = float(shape.uniform(-12, 12))
    outline, axes = synth_parts._outline(shape, size_hw, angle_deg)
    bolts, rib = synth_parts._bolts(shape, size_hw, axes), synth_parts._rib(shape, size_hw, axes)
    material = (synth_parts._cast_iron, synth_parts._brushed_metal, synth_parts._painted_panel)[kind % 3]

    def draw(rng: np.random.Generator) -> Floats:
        albedo, height = material(rng, size_hw, angle_deg)
        grey = albedo.mean(axis=0) * (0.45 / albedo.mean()) * outline * (1 - 0.88 * bolts) + 0.15 * (1 - outline)
        height = height * outline + 3 * cv2.GaussianBlur(outline - bolts, (0, 0), 1.6) + rib * outline
        slopes = 0.8 * cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=1 / 8)
        slopes += 0.6 * cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=1 / 8)
        return np.asarray(255 * grey * np.clip(1 - 0.75 * slopes, 0.35, 1.75), np.float32)

    return draw


def weave(rng: np.random.Generator) -> Floats:
    threads = 128 + 25 * np.sin(X * 0.35 + np.sin(Y * 0.02)) * np.sin(Y * 0.35)
    return np.asarray(threads + 4 * smooth(rng, 10) + 3 * smooth(rng, 2), np.float32)


def turned(rng: np.random.Generator) -> Floats:
    radius = np.hypot(X - 240, Y - 180)
    grooves = 8 * cv2.GaussianBlur(rng.normal(size=(1, 400)).astype(np.float32), (0, 0), 2)[0][radius.astype(int)]
    part = np.where(radius < 160, 150 + grooves + 3 * smooth(rng, 3), 50)
    return np.asarray(np.where(radius < 30, 20, part), np.float32)


def milled(rng: np.random.Generator) -> Floats:
    marks = cv2.GaussianBlur(rng.normal(size=(1, WIDTH)).astype(np.float32), (0, 0), 1.5)
    part = 120 + 6 * marks / marks.std() + 2 * smooth(rng, 4)
    part = np.where((abs(X - 240) < 180) & (abs(Y - 180) < 130), part, 30)
    return np.asarray(np.where(np.hypot(X - 150, Y - 150) < 30, 15, part), np.float32)


def solder(rng: np.random.Generator) -> Floats:
    """Only the size and the place of small dots tell these apart."""
    board, part = np.random.default_rng(5), np.full((HEIGHT, WIDTH), 70, np.float32)
    for _ in range(60):
        x, y, half = int(board.integers(20, 460)), int(board.integers(20, 340)), int(board.integers(5, 12))
        cv2.rectangle(part, (x - half, y - half), (x + half, y + half), 190.0, -1)
        centre = (x + int(rng.integers(-2, 3)), y + int(rng.integers(-2, 3)))
        cv2.circle(part, centre, max(2, int(half * rng.uniform(0.3, 0.8))), 235.0, -1)
    return part


def wood(rng: np.random.Generator) -> Floats:
    grain = cv2.GaussianBlur(rng.normal(size=(HEIGHT, WIDTH)).astype(np.float32), (0, 0), 25, sigmaY=1.5)
    board = 140 + 7 * grain / grain.std() + 3 * smooth(rng, 30)
    return np.asarray(np.where((abs(X - 240) < 200) & (abs(Y - 180) < 90), board, 40), np.float32)


def carton(rng: np.random.Generator) -> Floats:
    """Print that is the same on all, fibres that are not."""
    box = np.full((HEIGHT, WIDTH), 160, np.float32)
    for row, text in enumerate(("FRAGILE", "LOT 4711", "THIS SIDE UP")):
        cv2.putText(box, text, (60, 100 + 90 * row), cv2.FONT_HERSHEY_SIMPLEX, 1.6, 60.0, 4)
    return np.asarray(box + 3 * smooth(rng, 1.5) + 2 * smooth(rng, 6), np.float32)


def photograph(part: Floats, rng: np.random.Generator, strength: float) -> bytes:
    """One picture, shifted by up to ``strength`` px and turned by 0.3 times as many degrees."""
    picture = part.copy()
    if rng.random() < 0.3 * strength:
        x, y = rng.integers(100, 260, 2).tolist()
        cv2.circle(picture, (x, y), int(rng.integers(4, 13)), float(rng.uniform(20, 230)), -1)
    move = cv2.getRotationMatrix2D((240, 180), float(strength * rng.uniform(-0.3, 0.3)), 1.0)
    move[:, 2] += strength * rng.uniform(-1, 1, 2)
    picture = cv2.warpAffine(picture, move, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
    light = 0.05 * strength * (rng.uniform(-1, 1) * (X / 240 - 1) + rng.uniform(-1, 1) * (Y / 180 - 1))
    picture = picture * (1 + 0.1 * strength * rng.uniform(-1, 1)) * (1 + light) + rng.normal(0, 3, picture.shape)
    return cv2.imencode(".jpg", np.clip(picture, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()


IRON, BRUSHED, PAINT = of_material(0), of_material(1), of_material(2)
SETS: dict[str, tuple[tuple[Callable[[np.random.Generator], Floats], ...], float]] = {
    "plate": ((plate,), 1.0),
    "iron": ((IRON,), 1.0),
    "brushed metal": ((BRUSHED,), 1.0),
    "paint": ((PAINT,), 1.0),
    "plate, moved by 3 px": ((plate,), 3.0),
    "weave": ((weave,), 1.0),
    "turned": ((turned,), 1.0),
    "milled": ((milled,), 1.0),
    "weave and milled": ((weave, milled), 1.0),
    "ten kinds": (tuple(of_material(kind) for kind in (0, 1, 3, 4, 6, 7, 9, 10, 12, 13)), 1.0),
    "wood": ((wood,), 1.0),
    "cartons": ((carton,), 1.0),
    "wood and cartons": ((wood, carton), 1.0),
    "solder dots": ((solder,), 1.0),
    "plate without a surface": ((flat,), 1.0),
}


def draw_set(folder: Path, name: str, num_parts: int, num_twice: int) -> None:
    kinds, strength = SETS[name]
    for part in range(num_parts):
        rng = np.random.default_rng((len(name), part))
        surface = kinds[part % len(kinds)](rng)
        for shot in range(1 + (part < num_twice)):
            (folder / f"part{part:05}_{shot}.jpg").write_bytes(photograph(surface, rng, strength))


def as_a_whole(hashes: Hashes) -> tuple[NearPairs, int]:
    return near_pairs(hashes.bits, MAX_DISTANCE), 0


def compare(title: str, data_dir: Path) -> None:
    names = sorted(path.name for path in (data_dir / "images").iterdir())
    parts = [name.replace("_normal", "").removesuffix(".jpg").removesuffix("_0").removesuffix("_1") for name in names]
    num_twice = len(names) - len(set(parts))
    cells = []
    for candidates in (near_candidates, as_a_whole):
        audit_module.near_candidates = candidates
        with tempfile.TemporaryDirectory() as caches:
            os.environ["ANOMDET_CACHE_DIR"] = caches
            audit_module._last.clear()
            start = time.process_time()
            found = audit_images(data_dir, names)
            seconds = (time.process_time() - start) * 1000 / len(names)
        assert isinstance(found, Audit)
        right = sum(parts[first] == parts[second] for first, second in found.pairs.tolist())
        told = "" if found.complete else ", given up"
        cells.append(f"{right}/{num_twice}, {len(found.pairs) - right} others, {seconds:.1f} s{told}")
    print(f"  {title:30} {cells[0]:36} as a whole: {cells[1]}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=int, default=1000)
    parser.add_argument("--twice", type=int, default=50)
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--deeppcb", type=Path, help="DeepPCB in our format: alone, and with the last set")
    args = parser.parse_args()
    print(f"{args.parts} parts, {args.twice} of them twice; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name in args.sets:
        with tempfile.TemporaryDirectory() as folder:
            images = Path(folder) / "images"
            images.mkdir()
            draw_set(images, name, args.parts, args.twice)
            compare(name, Path(folder))
            if args.deeppcb is not None and name == args.sets[-1]:
                compare("DeepPCB", args.deeppcb)
                shutil.copytree(args.deeppcb / "images", images, dirs_exist_ok=True)
                compare(f"DeepPCB and {name}", Path(folder))


if __name__ == "__main__":
    main()

"""The demo's defects, each drawn on a small patch: scratch, dent, stain, hole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]

VISIBLE = 0.3  # a defect ends where its strength falls below this share of its greatest


@dataclass(frozen=True)
class Defect:
    """One defect; h, w are the patch's.

    Args:
        gain: float32 ``(3, h, w)``, BGR planes, multiplies the part's albedo; 1 leaves it.
        height: float32 ``(h, w)``, pixels, added to the part's height.
        visible: bool ``(h, w)``, what an inspector would circle; its bounding box is the label.
    """

    gain: Floats
    height: Floats
    visible: NDArray[np.bool_]


def _grey(gain: Floats) -> Floats:
    return np.stack([gain] * 3).astype(np.float32)


def scratch(rng: np.random.Generator, unit: float) -> Defect:
    """A thin curved groove, bright or dark, thinning out at its ends. ``unit`` is 1 for 320 px images."""
    length = float(rng.uniform(45, 120)) * unit
    # Off the axes: a box one pixel high says nothing about where the scratch is.
    turn = np.deg2rad(rng.choice([0, 90, 180, 270]) + rng.uniform(18, 72))
    bow = float(rng.uniform(-0.15, 0.15)) * length
    t = np.linspace(-0.5, 0.5, 48)
    along, across = t * length, bow * (1 - 4 * t**2) + unit * 0.5 * np.cumsum(rng.normal(0, 0.35, t.size))
    x = along * np.cos(turn) - across * np.sin(turn)
    y = along * np.sin(turn) + across * np.cos(turn)
    points_xy = np.stack([x - x.min(), y - y.min()], 1) + 8 * unit
    size_wh = np.ceil(points_xy.max(0) + 8 * unit).astype(int)
    line = np.zeros(size_wh[::-1], np.uint8)
    width = float(rng.uniform(1.8, 3.0)) * unit
    for start, end, s in zip(points_xy[:-1], points_xy[1:], t[:-1], strict=True):
        ends = [tuple(int(v) for v in np.round(p * 16)) for p in (start, end)]
        cv2.line(line, ends[0], ends[1], 255, max(round(width * (1.15 - 1.3 * abs(s))), 1), cv2.LINE_AA, shift=4)
    strength = cv2.GaussianBlur(line.astype(np.float32) / 255, (0, 0), 0.6 * unit)
    strength /= strength.max()
    gain = 1 + strength * np.float32(rng.choice([0.75, -0.55]))
    return Defect(_grey(gain), -1.5 * unit * strength, strength > VISIBLE)


def dent(rng: np.random.Generator, unit: float) -> Defect:
    """A smooth round hollow: only light and shade show it. ``unit`` as for :func:`scratch`."""
    radius = float(rng.uniform(14, 27)) * unit
    stretch, turn = float(rng.uniform(0.75, 1.3)), float(rng.uniform(0, np.pi))
    half = int(radius * 1.9) + 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    distance = np.sqrt((u * stretch) ** 2 + (v / stretch) ** 2) / radius
    distance = distance * (1 + 0.06 * np.sin(3 * np.arctan2(v, u) + turn))
    bowl = np.where(distance < 1, np.cos(0.5 * np.pi * np.minimum(distance, 1)) ** 2, 0).astype(np.float32)
    depth = float(rng.uniform(0.36, 0.48)) * radius
    gain = 1 - 0.28 * bowl  # less of the room's light reaches the bottom
    return Defect(_grey(gain), -depth * bowl, distance < 0.93)


def stain(rng: np.random.Generator, unit: float) -> Defect:
    """An irregular patch of rust, oil or water marks with a darker rim. ``unit`` as for :func:`scratch`."""
    radius = float(rng.uniform(14, 34)) * unit
    half = int(radius * 1.7) + 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    theta = np.arctan2(y, x)
    waves = sum(rng.uniform(0, 0.16) / k * 2 * np.sin(k * theta + rng.uniform(0, 2 * np.pi)) for k in (2, 3, 5, 7))
    edge = (1 + waves - np.hypot(x, y * float(rng.uniform(0.85, 1.25))) / radius) * radius  # pixels inside the rim
    soft = 1 / (1 + np.exp(-edge / (0.9 * unit)))
    rim = np.exp(-((edge - 2 * unit) ** 2) / (2 * (2.2 * unit) ** 2))
    blotches = cv2.GaussianBlur(rng.standard_normal(x.shape, dtype=np.float32), (0, 0), 3.5 * unit)
    blotches /= blotches.std()
    strength = soft * np.clip(0.72 + 0.16 * blotches + 0.3 * rim, 0.35, 1)
    tints_bgr = ((0.28, 0.48, 0.78), (0.36, 0.42, 0.46), (0.42, 0.58, 0.66))  # rust, oil, dried water
    tint = np.array(tints_bgr[int(rng.integers(3))], dtype=np.float32)[:, None, None]
    gain = (1 - strength * (1 - tint)).astype(np.float32)
    return Defect(gain, np.zeros_like(x), soft > 0.5)


def hole(rng: np.random.Generator, unit: float) -> Defect:
    """A punched-through spot with a ragged edge and a raised burr, unlike a clean bolt hole."""
    radius = float(rng.uniform(10, 17)) * unit
    half = int(radius * 1.9) + 3
    corners = int(rng.integers(7, 12))
    theta = np.sort((np.arange(corners) + rng.uniform(-0.3, 0.3, corners)) * 2 * np.pi / corners)
    reach = radius * rng.uniform(0.62, 1.15, corners)
    points_xy = np.stack([np.cos(theta), np.sin(theta)], 1) * reach[:, None] + half
    mask: NDArray[np.uint8] = np.zeros((2 * half + 1,) * 2, np.uint8)
    cv2.fillPoly(mask, [np.round(points_xy * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
    inside = mask.astype(np.float32) / 255
    burr = cv2.GaussianBlur(inside, (0, 0), 2.0 * unit)
    gain = 1 - 0.93 * inside + 0.5 * np.clip(burr - inside, 0, 1)
    return Defect(_grey(gain), 5 * unit * burr * (1 - inside), inside > VISIBLE)


DRAW = {1: scratch, 2: dent, 3: stain, 4: hole}

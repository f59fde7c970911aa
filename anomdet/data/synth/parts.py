"""The demo's parts: brushed metal, cast iron and painted panels, with an outline, bolt holes and a rib, no defects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Bools: TypeAlias = NDArray[np.bool_]

# BGR, 0 to 1.
PAINTS = ((0.62, 0.40, 0.22), (0.38, 0.48, 0.26), (0.30, 0.50, 0.74), (0.70, 0.76, 0.78), (0.28, 0.30, 0.62))
ATTEMPTS = 30


@dataclass
class Part:
    """A part before it is lit and photographed; H, W are the image's.

    Args:
        albedo: float32 ``(3, H, W)``, BGR planes, the share of light that the surface returns.
        height: float32 ``(H, W)``, pixels; its slope makes light and shade.
        free: bool ``(H, W)``, where a defect may lie: on the part, off its edges, bolt holes and rib.
        light: float32 ``(H, W)``, the lamp's gradient, about 1.
        light_xy: direction of the light in the image plane, length 1.
    """

    albedo: Floats
    height: Floats
    free: Bools
    light: Floats
    light_xy: tuple[float, float]


def draw_part(rng: np.random.Generator, size_hw: tuple[int, int]) -> Part:
    """A part of random material and shape. All randomness is from ``rng``."""
    unit = min(size_hw) / 320
    angle_deg = float(rng.uniform(-12, 12))
    material = (_brushed_metal, _cast_iron, _painted_panel)[int(rng.integers(3))]
    albedo, height = material(rng, size_hw, angle_deg)
    bench = np.float32(rng.uniform(0.08, 0.22)) + 0.02 * _smooth_noise(rng, size_hw, 3 * unit)
    outline, axes = _outline(rng, size_hw, angle_deg)
    shadow = cv2.GaussianBlur(np.roll(outline, (int(6 * unit), int(4 * unit)), (0, 1)), (0, 0), 6 * unit)
    bench = bench * (1 - 0.6 * shadow)
    bolts, rib = _bolts(rng, size_hw, axes), _rib(rng, size_hw, axes)
    albedo = albedo * (outline * (1 - 0.88 * bolts)) + bench * (1 - outline)
    height = height * outline
    height += 3.0 * unit * cv2.GaussianBlur(outline - bolts, (0, 0), 1.6 * unit)
    height += 1.6 * unit * cv2.GaussianBlur(rib, (0, 0), 1.5 * unit) * outline
    margin = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (int(14 * unit) | 1,) * 2)
    blocked = ((outline < 0.5) | (bolts > 0.5) | (rib > 0.5)).astype(np.uint8)
    blocked = cv2.dilate(cv2.copyMakeBorder(blocked, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1), margin)[1:-1, 1:-1]
    turn = rng.uniform(0, 2 * np.pi)
    light_xy = (float(np.cos(turn)), float(np.sin(turn)))
    return Part(albedo, height, blocked == 0, _lamp(rng, size_hw, light_xy), light_xy)


def _smooth_noise(rng: np.random.Generator, size_hw: tuple[int, int], sigma_px: float) -> Floats:
    """Noise ``(H, W)`` of standard deviation 1, smooth over ``sigma_px``."""
    # Drawn small and enlarged: as smooth, and a wide blur costs nothing.
    shrink = max(sigma_px / 2, 1.0)
    small_wh = (max(int(size_hw[1] / shrink), 2), max(int(size_hw[0] / shrink), 2))
    noise = rng.standard_normal(small_wh[::-1], dtype=np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), max(sigma_px / shrink, 0.5))
    noise /= max(float(noise.std()), 1e-6)
    result: Floats = cv2.resize(noise, size_hw[::-1], interpolation=cv2.INTER_CUBIC)
    return result


def _tinted(grey: Floats, tint_bgr: tuple[float, float, float]) -> Floats:
    return grey.astype(np.float32) * np.array(tint_bgr, dtype=np.float32)[:, None, None]


def _brushed_metal(rng: np.random.Generator, size_hw: tuple[int, int], angle_deg: float) -> tuple[Floats, Floats]:
    height_px, width_px = size_hw
    side = int(np.hypot(height_px, width_px)) + 2
    fine = cv2.blur(rng.standard_normal((side, side), dtype=np.float32), (61, 1))
    coarse = cv2.blur(rng.standard_normal((side, side), dtype=np.float32), (241, 3))
    streaks = fine / fine.std() + 0.7 * coarse / coarse.std()
    turned = cv2.getRotationMatrix2D((side / 2, side / 2), -angle_deg, 1.0)
    streaks = cv2.warpAffine(streaks, turned, (side, side), borderMode=cv2.BORDER_REFLECT)
    top, left = (side - height_px) // 2, (side - width_px) // 2
    grey = float(rng.uniform(0.5, 0.68)) + 0.028 * streaks[top : top + height_px, left : left + width_px]
    return _tinted(grey, (1.02, 1.0, 0.97)), 0.15 * _smooth_noise(rng, size_hw, 40)


def _cast_iron(rng: np.random.Generator, size_hw: tuple[int, int], angle_deg: float) -> tuple[Floats, Floats]:
    del angle_deg  # a casting has no grain
    grains, lumps = _smooth_noise(rng, size_hw, 1.3), _smooth_noise(rng, size_hw, 5)
    grey = float(rng.uniform(0.34, 0.46)) + 0.018 * lumps + 0.02 * _smooth_noise(rng, size_hw, 30)
    return _tinted(grey, (0.97, 1.0, 1.03)), 0.16 * grains + 0.3 * lumps


def _painted_panel(rng: np.random.Generator, size_hw: tuple[int, int], angle_deg: float) -> tuple[Floats, Floats]:
    del angle_deg  # nor has paint
    paint = PAINTS[int(rng.integers(len(PAINTS)))]
    grey = 1 + 0.02 * _smooth_noise(rng, size_hw, 60)
    return _tinted(grey, paint), 0.12 * _smooth_noise(rng, size_hw, 3.5)


@dataclass(frozen=True)
class _Axes:
    """The part's own frame: its centre, half its size and its turn, in pixels of the image."""

    centre_xy: NDArray[np.floating]
    half_wh: NDArray[np.floating]
    turn: NDArray[np.floating]  # (2, 2)

    def to_image(self, points: NDArray[np.floating]) -> NDArray[np.floating]:
        """Points ``(N, 2)``, of which (1, 1) is the part's corner, to pixels."""
        result: NDArray[np.floating] = np.asarray(points) * self.half_wh @ self.turn.T + self.centre_xy
        return result


def _outline(rng: np.random.Generator, size_hw: tuple[int, int], angle_deg: float) -> tuple[Floats, _Axes]:
    """The part's shape ``(H, W)``, 1 inside, smooth at the edge: a disc or a plate with round or cut corners."""
    height_px, width_px = size_hw
    half_wh = np.array([width_px, height_px]) * rng.uniform(0.40, 0.47, size=2)
    centre_xy = np.array([width_px, height_px]) / 2 + rng.uniform(-0.02, 0.02, size=2) * min(size_hw)
    radians = np.deg2rad(angle_deg)
    turn = np.array([[np.cos(radians), -np.sin(radians)], [np.sin(radians), np.cos(radians)]])
    axes = _Axes(centre_xy, half_wh, turn)
    if rng.random() < 0.2:
        axes = _Axes(centre_xy, np.full(2, half_wh.min() * 1.05), turn)
        exponent = 2.0
    else:
        exponent = float(rng.choice([6.0, 14.0, 40.0]))
    theta = np.linspace(0, 2 * np.pi, 160, endpoint=False)
    # A superellipse: from a disc (2) to a plate with nearly sharp corners (40).
    cos, sin = np.cos(theta), np.sin(theta)
    points = np.stack([np.sign(cos) * np.abs(cos) ** (2 / exponent), np.sign(sin) * np.abs(sin) ** (2 / exponent)], 1)
    return _polygon(size_hw, axes.to_image(points)), axes


def _polygon(size_hw: tuple[int, int], points_xy: NDArray[np.floating]) -> Floats:
    mask: NDArray[np.uint8] = np.zeros(size_hw, np.uint8)
    cv2.fillPoly(mask, [np.round(points_xy * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
    return mask.astype(np.float32) / np.float32(255)


def _bolts(rng: np.random.Generator, size_hw: tuple[int, int], axes: _Axes) -> Floats:
    """Bolt holes ``(H, W)``, 1 inside: none, at two ends, at four corners, or in the middle."""
    places = (
        [],
        [(-0.72, 0.0), (0.72, 0.0)],
        [(-0.64, -0.64), (0.64, -0.64), (-0.64, 0.64), (0.64, 0.64)],
        [(0.0, 0.0)],
    )[int(rng.choice(4, p=[0.2, 0.25, 0.4, 0.15]))]
    mask: NDArray[np.uint8] = np.zeros(size_hw, np.uint8)
    radius_px = float(rng.uniform(7, 10)) * min(size_hw) / 320
    for centre_xy in axes.to_image(np.array(places)) if places else []:
        centre = tuple(int(v) for v in np.round(centre_xy * 16))
        cv2.circle(mask, centre, int(radius_px * 16), 255, -1, cv2.LINE_AA, shift=4)
    return mask.astype(np.float32) / np.float32(255)


def _rib(rng: np.random.Generator, size_hw: tuple[int, int], axes: _Axes) -> Floats:
    """A straight raised rib ``(H, W)`` from edge to edge, on two parts of five."""
    if rng.random() > 0.4:
        return np.zeros(size_hw, np.float32)
    at, half_width = float(rng.choice([-1, 1]) * rng.uniform(0.25, 0.4)), 0.02
    ends = np.array([(-1.3, at - half_width), (1.3, at - half_width), (1.3, at + half_width), (-1.3, at + half_width)])
    return _polygon(size_hw, axes.to_image(ends if rng.random() < 0.5 else ends[:, ::-1]))


def _lamp(rng: np.random.Generator, size_hw: tuple[int, int], light_xy: tuple[float, float]) -> Floats:
    """Brighter towards the light, with one wide soft highlight."""
    height_px, width_px = size_hw
    y = np.linspace(-1, 1, height_px, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width_px, dtype=np.float32)[None, :]
    slope = float(rng.uniform(0.08, 0.22)) * (light_xy[0] * x + light_xy[1] * y)
    spot_xy = rng.uniform(-0.8, 0.8, size=2)
    spot = float(rng.uniform(0, 0.3)) * np.exp(-((x - spot_xy[0]) ** 2) / 0.5) * np.exp(-((y - spot_xy[1]) ** 2) / 0.5)
    result: Floats = (float(rng.uniform(0.85, 1.05)) + slope + spot).astype(np.float32)
    return result

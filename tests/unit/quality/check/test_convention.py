"""Wrong box conventions are named, each with its evidence; right data is not blamed, and what is open is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anomdet.quality.check.check import Checked, Rules, check_data
from anomdet.quality.check.convention import find_convention
from anomdet.quality.check.fix import write_fixed
from anomdet.quality.check.table import Boxes

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`

CODES = {
    "right": "",
    "yolo": "boxes-normalised",
    "normalised corner": "boxes-normalised",
    "normalised corners": "boxes-normalised",
    "centre": "boxes-centre",
    "rounded centre": "boxes-centre",
    "corners": "boxes-two-corners",
    "swapped": "boxes-swapped",
    "swapped corners": "boxes-swapped",
    "from one": "boxes-from-one",
}
NOT_IN_SQUARES = ("swapped", "swapped corners")  # without a look at the pixels


def written(kind: str, xywh: np.ndarray, size_wh: np.ndarray) -> np.ndarray:
    """Right boxes ``(N, 4)`` as another convention writes them."""
    corner, side = xywh[:, :2], xywh[:, 2:]
    far = corner + side
    return {
        "right": lambda: xywh,
        "yolo": lambda: np.hstack([(corner + side / 2) / size_wh, side / size_wh]).round(6),
        "normalised corner": lambda: np.hstack([corner / size_wh, side / size_wh]).round(6),
        "normalised corners": lambda: np.hstack([corner / size_wh, far / size_wh]).round(6),
        "centre": lambda: np.hstack([corner + side / 2, side]),
        "rounded centre": lambda: np.hstack([corner + side // 2, side]),
        "corners": lambda: np.hstack([corner, far]),
        "swapped": lambda: xywh[:, [1, 0, 3, 2]],
        "swapped corners": lambda: np.hstack([corner[:, ::-1], far[:, ::-1]]),
        "from one": lambda: np.hstack([corner + 1, side]),
    }[kind]()


def rewrite(source: Path, target: Path, kind: str) -> Path:
    """A data set with the same images, its boxes written another way."""
    checked = check_data(source, Rules())
    (target / "labels").mkdir(parents=True)
    (target / "images").symlink_to(source / "images")
    values = written(kind, checked.boxes.values, checked.boxes.size_wh)
    for at, file in enumerate(checked.boxes.files):
        chosen = np.flatnonzero(checked.boxes.file_at == at)
        lines = [f"{checked.boxes.class_nums[i]} {' '.join(f'{value:g}' for value in values[i])}\n" for i in chosen]
        (target / file).write_text("".join(lines))
    return target


def convention_findings(checked: Checked) -> list[str]:
    return [found.code for found in checked.findings if found.code.startswith("boxes-")]


@pytest.mark.parametrize("kind", [kind for kind in CODES if kind not in (*NOT_IN_SQUARES, "from one")])
def test_square_images(any_dir, tmp_path, kind):
    checked = check_data(rewrite(any_dir, tmp_path / "data", kind), Rules())
    assert convention_findings(checked) == ([CODES[kind]] if CODES[kind] else [])
    if kind != "rounded centre":
        assert not [found for found in checked.findings if found.code.startswith("box-")], "read as it was recognised"


@pytest.mark.parametrize("kind", [kind for kind in CODES if kind not in ("rounded centre", "from one")])
def test_wide_images(wide_dir, tmp_path, kind):
    checked = check_data(rewrite(wide_dir, tmp_path / "data", kind), Rules())
    assert convention_findings(checked) == ([CODES[kind]] if CODES[kind] else [])


def test_a_doubt_is_told(wide_dir, tmp_path):
    checked = check_data(rewrite(wide_dir, tmp_path / "data", "rounded centre"), Rules())
    assert convention_findings(checked) == []
    assert any(
        "corner or centre" in question and "too few" in question for question in checked.convention.open_questions
    )


def test_in_square_images_swapped_axes_show_only_in_the_pixels(any_dir, tmp_path):
    swapped_dir = rewrite(any_dir, tmp_path / "data", "swapped")
    blind = check_data(swapped_dir, Rules())
    assert convention_findings(blind) == []
    assert any("x before y" in question and "--decode" in question for question in blind.convention.open_questions)
    assert convention_findings(check_data(swapped_dir, Rules(decode=True))) == ["boxes-swapped"]
    corners = check_data(rewrite(any_dir, tmp_path / "corners", "swapped corners"), Rules(decode=True))
    assert convention_findings(corners) == ["boxes-swapped"] and "two corners" in str(corners.convention.finding())
    right = check_data(any_dir, Rules(decode=True))
    assert convention_findings(right) == []
    assert not any("x before y" in question for question in right.convention.open_questions)


def test_counting_from_one_shows_where_boxes_touch_a_border(deeppcb_dir, tmp_path):
    checked = check_data(rewrite(deeppcb_dir, tmp_path / "data", "from one"), Rules())
    assert convention_findings(checked) == ["boxes-from-one"]


def test_counting_from_one_does_not_show_without_borders(demo_dir, tmp_path):
    checked = check_data(rewrite(demo_dir, tmp_path / "data", "from one"), Rules())
    assert convention_findings(checked) == []
    assert any("from 0 or 1" in question for question in checked.convention.open_questions)


@pytest.mark.parametrize("kind", ["yolo", "normalised corners", "centre", "corners", "swapped"])
def test_the_mended_copy_has_the_right_boxes(wide_dir, tmp_path, kind):
    right = check_data(wide_dir, Rules())
    wrong = check_data(rewrite(wide_dir, tmp_path / "data", kind), Rules())
    corrected = write_fixed(wrong, tmp_path / "corrected")
    again = check_data(tmp_path / "corrected", Rules())
    assert corrected.num_images == 150 and convention_findings(again) == []
    np.testing.assert_allclose(again.boxes.values, right.boxes.values, atol=2e-3)
    converted = [change for change in corrected.changes if change.action == "converted"]
    assert len(converted) == len(right.boxes) and {change.code for change in converted} == {CODES[kind]}


def make_boxes(values: np.ndarray, size_wh: tuple[float, float] = (640, 480)) -> Boxes:
    at = np.arange(len(values))
    return Boxes(
        [f"{i}.txt" for i in at],
        at,
        at * 0 + 1,
        at * 0,
        values.astype(float),
        np.tile(np.array(size_wh, float), (len(at), 1)),
    )


def test_evidence_names_the_shares():
    rng = np.random.default_rng(0)
    corner = rng.integers(0, 400, (200, 2))
    boxes = make_boxes(np.hstack([corner, corner + rng.integers(20, 60, (200, 2))]))
    found = find_convention(boxes).finding()
    assert found is not None and found.code == "boxes-two-corners"
    assert "reach outside when read as corner and size, none when read as two corners" in found.got
    assert "--fix" in found.hint and "width = x2 - x1" in found.hint


def test_corners_near_the_origin_give_themselves_away_by_their_correlation():
    rng = np.random.default_rng(0)
    corner = rng.integers(0, 200, (200, 2))
    found = find_convention(make_boxes(np.hstack([corner, corner + rng.integers(10, 40, (200, 2))]))).finding()
    assert found is not None and found.code == "boxes-two-corners" and "correlation" in found.got


def test_large_boxes_in_images_of_many_sizes_are_not_blamed():
    """A part that fills its image: in pixels its corner and its size grow with the image, and so together."""
    rng = np.random.default_rng(0)
    size_wh = rng.integers(300, 3000, (200, 2)).astype(float)
    corner = (0.1 + rng.normal(0, 0.01, (200, 2))) * size_wh
    boxes = make_boxes(np.hstack([corner, 0.8 * size_wh]).round())
    boxes.size_wh[:] = size_wh
    assert find_convention(boxes).code == ""


def test_halves_where_sizes_are_odd_are_centres():
    rng = np.random.default_rng(0)
    side = rng.integers(10, 40, (100, 2))
    values = np.hstack([rng.integers(100, 300, (100, 2)) + side / 2, side])
    found = find_convention(make_boxes(values)).finding()
    assert found is not None and found.code == "boxes-centre" and "odd" in found.got


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("size_wh", [(640, 640), (640, 480), (300, 900)])
def test_right_but_sloppy_data_is_not_blamed(seed, size_wh):
    """Boxes of all sizes, some cut at the borders, some a few pixels too large: still corner and size."""
    rng = np.random.default_rng(seed)
    num = int(rng.choice([3, 20, 200, 3000]))
    limit = np.array(size_wh)
    side = rng.uniform(5, rng.choice([40, 200, 600]), (num, 2)).clip(5, limit)
    centre = rng.uniform(0, 1, (num, 2)) * limit if rng.random() < 0.5 else rng.normal(0.5, 0.2, (num, 2)) * limit
    low, high = np.maximum(centre - side / 2, 0), np.minimum(centre + side / 2, limit)
    sloppy = rng.random((num, 1)) < 0.05
    values = np.hstack([low, high - low + sloppy * rng.uniform(0, 8, (num, 2))])
    values = values[(values[:, 2:] > 1).all(axis=1)]
    if rng.random() < 0.5:
        values = np.rint(values)
    assert find_convention(make_boxes(values, size_wh)).code == ""


def test_too_few_boxes_are_no_evidence():
    convention = find_convention(make_boxes(np.array([[300.0, 300, 400, 400]] * 3)))
    assert not convention.code and "too few" in convention.open_questions[0]


def test_no_boxes():
    assert find_convention(make_boxes(np.zeros((0, 4)))).code == ""
